(name) => Symbol.for(name)
