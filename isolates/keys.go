package isolates

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"math/big"

	"io"
)

// A cryptoKey is what a CryptoKey of a script stands for: exactly one of its fields is set, but that a private key has its
// public one, too.
type cryptoKey struct {
	secret  []byte
	rsa     *rsa.PrivateKey
	rsaPub  *rsa.PublicKey
	ec      *ecdsa.PrivateKey
	ecPub   *ecdsa.PublicKey
	ed      ed25519.PrivateKey
	edPub   ed25519.PublicKey
	x       *ecdh.PrivateKey
	xPub    *ecdh.PublicKey
	private bool
}

// A cryptoError becomes a DOMException of its name.
type cryptoError struct{ name, message string }

func (e *cryptoError) Error() string { return e.name + ": " + e.message }

func badData(message string) error { return &cryptoError{"DataError", message} }
func unsupportedKey(what string) error {
	return &cryptoError{"NotSupportedError", what + " is not supported"}
}
func badOperation(message string) error {
	return &cryptoError{"OperationError", message}
}

// curveOf is a curve by its name.
func curveOf(name string) (elliptic.Curve, error) {
	switch name {
	case "P-256":
		return elliptic.P256(), nil
	case "P-384":
		return elliptic.P384(), nil
	case "P-521":
		return elliptic.P521(), nil
	}
	return nil, unsupportedKey("the curve " + name)
}

// kind is the type of the key as scripts see it.
func (k *cryptoKey) kind() string {
	switch {
	case k.secret != nil:
		return "secret"
	case k.private:
		return "private"
	}
	return "public"
}

// importKey reads a key of an algorithm: data is bytes, or the JSON text of a JWK.
func importKey(alg, format, curve string, data []byte) (*cryptoKey, error) {
	switch format {
	case "raw":
		return importRaw(alg, curve, data)
	case "spki":
		pub, err := x509.ParsePKIXPublicKey(data)
		if err != nil {
			return nil, badData("The key is not a valid SubjectPublicKeyInfo: " + err.Error())
		}
		return fromPublic(alg, curve, pub)
	case "pkcs8":
		private, err := x509.ParsePKCS8PrivateKey(data)
		if err != nil {
			return nil, badData("The key is not valid PKCS #8: " + err.Error())
		}
		return fromPrivate(alg, curve, private)
	case "jwk":
		return importJWK(alg, curve, data)
	}
	return nil, unsupportedKey("the key format " + format)
}

func isRSA(alg string) bool {
	return alg == "RSASSA-PKCS1-v1_5" || alg == "RSA-PSS" || alg == "RSA-OAEP"
}
func isEC(alg string) bool { return alg == "ECDSA" || alg == "ECDH" }

func importRaw(alg, curve string, data []byte) (*cryptoKey, error) {
	switch {
	case isEC(alg):
		c, err := curveOf(curve)
		if err != nil {
			return nil, err
		}
		pub, err := ecdsa.ParseUncompressedPublicKey(c, data)
		if err != nil {
			return nil, badData("The point is not on the curve")
		}
		return &cryptoKey{ecPub: pub}, nil
	case alg == "Ed25519":
		if len(data) != ed25519.PublicKeySize {
			return nil, badData("An Ed25519 public key has 32 bytes")
		}
		return &cryptoKey{edPub: data}, nil
	case alg == "X25519":
		pub, err := ecdh.X25519().NewPublicKey(data)
		if err != nil {
			return nil, badData(err.Error())
		}
		return &cryptoKey{xPub: pub}, nil
	case isRSA(alg):
		return nil, unsupportedKey("the key format raw of " + alg)
	}
	return secretKey(alg, data)
}

func secretKey(alg string, data []byte) (*cryptoKey, error) {
	if (alg == "AES-CBC" || alg == "AES-CTR" || alg == "AES-GCM") && len(data) != 16 && len(data) != 24 && len(data) != 32 {
		return nil, badData("An AES key has 128, 192 or 256 bits")
	}
	if alg == "HMAC" && len(data) == 0 {
		return nil, badData("An HMAC key must not be empty")
	}
	return &cryptoKey{secret: append([]byte{}, data...)}, nil
}

var errWrongKey = &cryptoError{"DataError", "The key is not one of this algorithm"}

func fromPublic(alg, curve string, pub any) (*cryptoKey, error) {
	switch pub := pub.(type) {
	case *rsa.PublicKey:
		if isRSA(alg) {
			return &cryptoKey{rsaPub: pub}, nil
		}
	case *ecdsa.PublicKey:
		if isEC(alg) && pub.Params().Name == curve {
			return &cryptoKey{ecPub: pub}, nil
		}
	case ed25519.PublicKey:
		if alg == "Ed25519" {
			return &cryptoKey{edPub: pub}, nil
		}
	case *ecdh.PublicKey:
		if alg == "X25519" {
			return &cryptoKey{xPub: pub}, nil
		}
	}
	return nil, errWrongKey
}

func fromPrivate(alg, curve string, private any) (*cryptoKey, error) {
	switch key := private.(type) {
	case *rsa.PrivateKey:
		if isRSA(alg) {
			return &cryptoKey{rsa: key, rsaPub: &key.PublicKey, private: true}, nil
		}
	case *ecdsa.PrivateKey:
		if isEC(alg) && key.Params().Name == curve {
			return &cryptoKey{ec: key, ecPub: &key.PublicKey, private: true}, nil
		}
	case ed25519.PrivateKey:
		if alg == "Ed25519" {
			return &cryptoKey{ed: key, edPub: key.Public().(ed25519.PublicKey), private: true}, nil
		}
	case *ecdh.PrivateKey:
		if alg == "X25519" {
			return &cryptoKey{x: key, xPub: key.PublicKey(), private: true}, nil
		}
	}
	return nil, errWrongKey
}

// jwk is the part of a JSON Web Key that holds the key.
type jwk struct {
	Kty string `json:"kty"`
	Crv string `json:"crv,omitempty"`
	K   string `json:"k,omitempty"`
	N   string `json:"n,omitempty"`
	E   string `json:"e,omitempty"`
	D   string `json:"d,omitempty"`
	P   string `json:"p,omitempty"`
	Q   string `json:"q,omitempty"`
	DP  string `json:"dp,omitempty"`
	DQ  string `json:"dq,omitempty"`
	QI  string `json:"qi,omitempty"`
	X   string `json:"x,omitempty"`
	Y   string `json:"y,omitempty"`
}

// member decodes a member of a JWK; a missing one is an error.
func member(name, text string) ([]byte, error) {
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || text == "" {
		return nil, badData("The member " + name + " of the JWK is missing or not base64url")
	}
	return b, nil
}

func number(name, text string) (*big.Int, error) {
	b, err := member(name, text)
	return new(big.Int).SetBytes(b), err
}

func importJWK(alg, curve string, data []byte) (*cryptoKey, error) {
	var j jwk
	if err := json.Unmarshal(data, &j); err != nil {
		return nil, badData("The JWK is malformed: " + err.Error())
	}
	switch {
	case isRSA(alg) && j.Kty == "RSA":
		return j.rsa()
	case isEC(alg) && j.Kty == "EC" && j.Crv == curve:
		return j.ec(curve)
	case alg == "Ed25519" && j.Kty == "OKP" && j.Crv == alg, alg == "X25519" && j.Kty == "OKP" && j.Crv == alg:
		return j.okp(alg)
	case !isRSA(alg) && !isEC(alg) && j.Kty == "oct":
		k, err := member("k", j.K)
		if err != nil {
			return nil, err
		}
		return secretKey(alg, k)
	}
	return nil, errWrongKey
}

func (j *jwk) rsa() (*cryptoKey, error) {
	n, err := number("n", j.N)
	if err != nil {
		return nil, err
	}
	e, err := number("e", j.E)
	if err != nil || !e.IsInt64() || e.Int64() > 1<<31-1 {
		return nil, badData("The member e of the JWK is not a public exponent")
	}
	pub := rsa.PublicKey{N: n, E: int(e.Int64())}
	if j.D == "" {
		return &cryptoKey{rsaPub: &pub}, nil
	}
	key := &rsa.PrivateKey{PublicKey: pub}
	if key.D, err = number("d", j.D); err != nil {
		return nil, err
	}
	for name, text := range map[string]string{"p": j.P, "q": j.Q} {
		prime, err := number(name, text)
		if err != nil {
			return nil, err
		}
		key.Primes = append(key.Primes, prime)
	}
	if key.Primes[0].Cmp(key.Primes[1]) < 0 { // the order of a Go map is random, that of primes is not
		key.Primes[0], key.Primes[1] = key.Primes[1], key.Primes[0]
	}
	if err := key.Validate(); err != nil {
		return nil, badData("The JWK is not a valid RSA key: " + err.Error())
	}
	key.Precompute()
	return &cryptoKey{rsa: key, rsaPub: &key.PublicKey, private: true}, nil
}

func (j *jwk) ec(curve string) (*cryptoKey, error) {
	c, err := curveOf(curve)
	if err != nil {
		return nil, err
	}
	size := (c.Params().BitSize + 7) / 8
	point := []byte{4}
	for name, text := range map[string]string{"x": j.X, "y": j.Y} {
		if b, err := member(name, text); err != nil || len(b) != size {
			return nil, badData("The member " + name + " of the JWK has not the size of the curve")
		}
	}
	x, _ := member("x", j.X)
	y, _ := member("y", j.Y)
	pub, err := ecdsa.ParseUncompressedPublicKey(c, append(append(point, x...), y...))
	if err != nil {
		return nil, badData("The point is not on the curve")
	}
	if j.D == "" {
		return &cryptoKey{ecPub: pub}, nil
	}
	d, err := member("d", j.D)
	if err != nil {
		return nil, err
	}
	key, err := ecdsa.ParseRawPrivateKey(c, d)
	if err != nil || !key.PublicKey.Equal(pub) {
		return nil, badData("The private part of the JWK does not belong to its public part")
	}
	return &cryptoKey{ec: key, ecPub: &key.PublicKey, private: true}, nil
}

func (j *jwk) okp(alg string) (*cryptoKey, error) {
	x, err := member("x", j.X)
	if err != nil {
		return nil, err
	}
	pub, err := importRaw(alg, "", x)
	if err != nil || j.D == "" {
		return pub, err
	}
	d, err := member("d", j.D)
	if err != nil || len(d) != 32 {
		return nil, badData("The member d of the JWK has not 32 bytes")
	}
	if alg == "Ed25519" {
		return fromPrivate(alg, "", ed25519.NewKeyFromSeed(d))
	}
	key, err := ecdh.X25519().NewPrivateKey(d)
	if err != nil {
		return nil, badData(err.Error())
	}
	return fromPrivate(alg, "", key)
}

// export is the key in a format: bytes, or the JSON text of a JWK.
func (k *cryptoKey) export(format string) ([]byte, error) {
	switch format {
	case "raw":
		return k.exportRaw()
	case "spki":
		if pub := k.public(); pub != nil && !k.private {
			return x509.MarshalPKIXPublicKey(pub)
		}
		return nil, &cryptoError{"InvalidAccessError", "Only a public key can be exported as spki"}
	case "pkcs8":
		if private := k.privateKey(); private != nil {
			return x509.MarshalPKCS8PrivateKey(private)
		}
		return nil, &cryptoError{"InvalidAccessError", "Only a private key can be exported as pkcs8"}
	case "jwk":
		j, err := k.jwk()
		if err != nil {
			return nil, err
		}
		return json.Marshal(j)
	}
	return nil, unsupportedKey("the key format " + format)
}

func (k *cryptoKey) exportRaw() ([]byte, error) {
	switch {
	case k.secret != nil:
		return k.secret, nil
	case k.private:
	case k.ecPub != nil:
		return k.ecPub.Bytes()
	case k.edPub != nil:
		return k.edPub, nil
	case k.xPub != nil:
		return k.xPub.Bytes(), nil
	}
	return nil, &cryptoError{"InvalidAccessError", "The key cannot be exported as raw"}
}

func (k *cryptoKey) public() crypto.PublicKey {
	switch {
	case k.rsaPub != nil:
		return k.rsaPub
	case k.ecPub != nil:
		return k.ecPub
	case k.edPub != nil:
		return k.edPub
	case k.xPub != nil:
		return k.xPub
	}
	return nil
}

func (k *cryptoKey) privateKey() crypto.PrivateKey {
	switch {
	case k.rsa != nil:
		return k.rsa
	case k.ec != nil:
		return k.ec
	case k.ed != nil:
		return k.ed
	case k.x != nil:
		return k.x
	}
	return nil
}

func (k *cryptoKey) jwk() (*jwk, error) {
	text := base64.RawURLEncoding.EncodeToString
	switch {
	case k.secret != nil:
		return &jwk{Kty: "oct", K: text(k.secret)}, nil
	case k.rsaPub != nil:
		j := &jwk{Kty: "RSA", N: text(k.rsaPub.N.Bytes()), E: text(big.NewInt(int64(k.rsaPub.E)).Bytes())}
		if k.rsa != nil {
			k.rsa.Precompute()
			j.D, j.P, j.Q = text(k.rsa.D.Bytes()), text(k.rsa.Primes[0].Bytes()), text(k.rsa.Primes[1].Bytes())
			j.DP, j.DQ, j.QI = text(k.rsa.Precomputed.Dp.Bytes()), text(k.rsa.Precomputed.Dq.Bytes()), text(k.rsa.Precomputed.Qinv.Bytes())
		}
		return j, nil
	case k.ecPub != nil:
		point, err := k.ecPub.Bytes()
		if err != nil {
			return nil, badOperation(err.Error())
		}
		size := (len(point) - 1) / 2
		j := &jwk{Kty: "EC", Crv: k.ecPub.Params().Name, X: text(point[1 : 1+size]), Y: text(point[1+size:])}
		if k.ec != nil {
			d, err := k.ec.Bytes()
			if err != nil {
				return nil, badOperation(err.Error())
			}
			j.D = text(d)
		}
		return j, nil
	case k.edPub != nil:
		j := &jwk{Kty: "OKP", Crv: "Ed25519", X: text(k.edPub)}
		if k.ed != nil {
			j.D = text(k.ed.Seed())
		}
		return j, nil
	}
	j := &jwk{Kty: "OKP", Crv: "X25519", X: text(k.xPub.Bytes())}
	if k.x != nil {
		j.D = text(k.x.Bytes())
	}
	return j, nil
}

// generateKey makes a key of an algorithm. bits is the length of a modulus or of a secret.
func generateKey(random io.Reader, alg, curve string, bits int) (*cryptoKey, error) {
	switch {
	case isRSA(alg):
		if bits < 2048 || bits > 8192 {
			return nil, badOperation("The modulus must have from 2048 to 8192 bits")
		}
		key, err := rsa.GenerateKey(random, bits)
		if err != nil {
			return nil, badOperation(err.Error())
		}
		return fromPrivate(alg, curve, key)
	case isEC(alg):
		c, err := curveOf(curve)
		if err != nil {
			return nil, err
		}
		key, err := ecdsa.GenerateKey(c, random)
		if err != nil {
			return nil, badOperation(err.Error())
		}
		return fromPrivate(alg, curve, key)
	}
	seed := make([]byte, 32)
	if alg != "Ed25519" && alg != "X25519" {
		if bits <= 0 || bits > 1<<16 || bits%8 != 0 {
			return nil, badOperation("The length of the key must be a positive multiple of 8 bits")
		}
		seed = make([]byte, bits/8)
	}
	if _, err := io.ReadFull(random, seed); err != nil {
		return nil, badOperation(err.Error())
	}
	switch alg {
	case "Ed25519":
		return fromPrivate(alg, curve, ed25519.NewKeyFromSeed(seed))
	case "X25519":
		key, err := ecdh.X25519().NewPrivateKey(seed)
		if err != nil {
			return nil, badOperation(err.Error())
		}
		return fromPrivate(alg, curve, key)
	}
	return secretKey(alg, seed)
}
