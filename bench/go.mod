module runlog/bench

go 1.26.0
