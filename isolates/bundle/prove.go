package bundle

func prove(b *Bundle) {}
