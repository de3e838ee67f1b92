package bundle
import ("testing";"context";"fmt";"os")
func TestProbe(t *testing.T){
 b,w,err:=Build(context.Background(),Options{Dir:os.Getenv("DIR"),ConvexPackage:ConvexPackage(len(os.Getenv("NPM")))})
 fmt.Println(w,err); if b==nil{return}
 for _,m:=range b.Modules{fmt.Println("=====",m.Path,m.Stateless);for _,r:=range m.Unproven{fmt.Println("  ",r)}; if os.Getenv("SRC")!=""{fmt.Println(m.Source)}}
}
