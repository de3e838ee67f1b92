package stateless

// helpers are the functions that esbuild puts at the head of modules, as normalHelper leaves them. Only a variable with
// exactly this value is taken for one.
var helpers = map[string]string{
	"__asyncGenerator":  "(__this,__arguments,generator)=>{varresume=(k,v,yes,no)=>{try{varx=generator[k](v),isAwait=(v=x.value)instanceof__await,done=x.done;Promise.resolve(isAwait?v[0]:v).then((y)=>isAwait?resume(k===\"return\"?k:\"next\",v[1]?{done:y.done,value:y.value}:y,yes,no):yes({value:y,done})).catch((e)=>resume(\"throw\",e,yes,no));}catch(e){no(e);}},method=(k,call,wait,clear)=>it[k]=(x)=>(call=newPromise((yes,no,run)=>(run=()=>resume(k,x,yes,no),q?q.then(run):run())),clear=()=>q===wait&&(q=0),q=wait=call.then(clear,clear),call),q,it={};returngenerator=generator.apply(__this,__arguments),it[__knownSymbol(\"asyncIterator\")]=()=>it,method(\"next\"),method(\"throw\"),method(\"return\"),it;}",
	"__await":           "function(promise,isYieldStar){this[0]=promise;this[1]=isYieldStar;}",
	"__commonJS":        "(cb,mod)=>function__require(){try{returnmod||(0,cb[__getOwnPropNames(cb)[0]])((mod={exports:{}}).exports,mod),mod.exports;}catch(e){throwmod=0,e;}}",
	"__copyProps":       "(to,from,except,desc)=>{if(from&&typeoffrom===\"object\"||typeoffrom===\"function\"){for(letkeyof__getOwnPropNames(from))if(!__hasOwnProp.call(to,key)&&key!==except)__defProp(to,key,{get:()=>from[key],enumerable:!(desc=__getOwnPropDesc(from,key))||desc.enumerable});}returnto;}",
	"__create":          "Object.create",
	"__defProp":         "Object.defineProperty",
	"__export":          "(target,all)=>{for(varnameinall)__defProp(target,name,{get:all[name],enumerable:true});}",
	"__forAwait":        "(obj,it,method)=>(it=obj[__knownSymbol(\"asyncIterator\")])?it.call(obj):(obj=obj[__knownSymbol(\"iterator\")](),it={},method=(key,fn)=>(fn=obj[key])&&(it[key]=(arg)=>newPromise((yes,no,done)=>(arg=fn.call(obj,arg),done=arg.done,Promise.resolve(arg.value).then((value)=>yes({value,done}),no)))),method(\"next\"),method(\"return\"),it",
	"__getOwnPropDesc":  "Object.getOwnPropertyDescriptor",
	"__getOwnPropNames": "Object.getOwnPropertyNames",
	"__getProtoOf":      "Object.getPrototypeOf",
	"__hasOwnProp":      "Object.prototype.hasOwnProperty",
	"__knownSymbol":     "(name,symbol)=>(symbol=Symbol[name])?symbol:Symbol.for(\"Symbol.\"+name)",
	"__reExport":        "(target,mod,secondTarget)=>(__copyProps(target,mod,\"default\"),secondTarget&&__copyProps(secondTarget,mod,\"default\")",
	"__require":         "(x)=>typeofrequire!==\"undefined\"?require:typeofProxy!==\"undefined\"?newProxy(x,{get:(a,b)=>(typeofrequire!==\"undefined\"?require:a)[b]}):x)(function(x){if(typeofrequire!==\"undefined\")returnrequire.apply(this,arguments);throwError('Dynamicrequireof\"'+x+'\"isnotsupported');})",
	"__toCommonJS":      "(mod)=>__copyProps(__defProp({},\"__esModule\",{value:true}),mod)",
	"__toESM":           "(mod,isNodeMode,target)=>(target=mod!=null?__create(__getProtoOf(mod)):{},__copyProps(isNodeMode||!mod||!mod.__esModule?__defProp(target,\"default\",{value:mod,enumerable:true}):target,mod)",
	"__typeError":       "(msg)=>{throwTypeError(msg);}",
	"__yieldStar":       "(value)=>{varobj=value[__knownSymbol(\"asyncIterator\")],isAwait=false,method,it={};if(obj==null){obj=value[__knownSymbol(\"iterator\")]();method=(k)=>it[k]=(x)=>obj[k](x);}else{obj=obj.call(value);method=(k)=>it[k]=(v)=>{if(isAwait){isAwait=false;if(k===\"throw\")throwv;returnv;}isAwait=true;return{done:false,value:new__await(newPromise((resolve)=>{varx=obj[k](v);if(!(xinstanceofObject))__typeError(\"Objectexpected\");resolve(x);}),1)};};}returnit[__knownSymbol(\"iterator\")]=()=>it,method(\"next\"),\"throw\"inobj?method(\"throw\"):it.throw=(x)=>{throwx;},\"return\"inobj&&method(\"return\"),it;}",
}
