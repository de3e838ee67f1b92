(promise) => promise.then(() => {})
