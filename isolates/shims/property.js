(promise, name) => promise.then((v) => v[name])
