module runlog/test

go 1.26.0

replace runlog => ../
