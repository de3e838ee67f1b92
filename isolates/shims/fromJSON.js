(text) => JSON.parse(text)
