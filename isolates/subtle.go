package isolates

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"hash"
	"io"
	"math/big"

	"github.com/dop251/goja"
)

// The algorithms of crypto.subtle are those of Go. What is checked of names, usages and parameters is checked in
// JavaScript (shims/web_crypto.js); here only lengths and keys are.

// hashOf is a hash function by its name.
func hashOf(name string) (crypto.Hash, func() hash.Hash, error) {
	switch name {
	case "SHA-1":
		return crypto.SHA1, sha1.New, nil
	case "SHA-256":
		return crypto.SHA256, sha256.New, nil
	case "SHA-384":
		return crypto.SHA384, sha512.New384, nil
	case "SHA-512":
		return crypto.SHA512, sha512.New, nil
	}
	return 0, nil, unsupportedKey("the hash function " + name)
}

// subtleParams are the parameters of an operation, as JavaScript hands them over.
type subtleParams struct {
	alg, hash, curve string
	// saltLength, tagLength, counterBits, iterations and bits are numbers; the others are bytes.
	saltLength, tagLength, counterBits, iterations, bits int
	iv, counter, label, additional, salt, info           []byte
	peer                                                 *cryptoKey
}

func (is *isolate) subtleParams(v goja.Value) *subtleParams {
	p := &subtleParams{}
	obj, ok := v.(*goja.Object)
	if !ok {
		return p
	}
	for name, field := range map[string]*string{"name": &p.alg, "hash": &p.hash, "namedCurve": &p.curve} {
		if v := obj.Get(name); !isUndefined(v) {
			*field = v.String()
		}
	}
	for name, field := range map[string]*int{"saltLength": &p.saltLength, "tagLength": &p.tagLength, "counterBits": &p.counterBits,
		"iterations": &p.iterations, "bits": &p.bits} {
		if v := obj.Get(name); !isUndefined(v) {
			*field = int(v.ToInteger())
		}
	}
	for name, field := range map[string]*[]byte{"iv": &p.iv, "counter": &p.counter, "label": &p.label, "additionalData": &p.additional,
		"salt": &p.salt, "info": &p.info} {
		if v := obj.Get(name); !isUndefined(v) {
			*field = is.viewBytes(v)
		}
	}
	p.peer, _ = exported[*cryptoKey](obj.Get("peer"))
	return p
}

// subtleSlots are the tools behind crypto.subtle.
func subtleSlots() []slot {
	// with makes a tool of an operation on a key: (key, params, data) gives bytes.
	with := func(name string, f func(is *isolate, k *cryptoKey, p *subtleParams, data []byte) ([]byte, error)) slot {
		return method(name, 3, func(is *isolate, call goja.FunctionCall) goja.Value {
			key, _ := exported[*cryptoKey](arg(call, 0))
			out, err := f(is, key, is.subtleParams(arg(call, 1)), is.viewBytes(arg(call, 2)))
			is.mustCrypto(err)
			return is.newBuffer(out)
		})
	}
	return []slot{
		with("digest", func(_ *isolate, _ *cryptoKey, p *subtleParams, data []byte) ([]byte, error) {
			_, h, err := hashOf(p.hash)
			if err != nil {
				return nil, err
			}
			return digest(h, data), nil
		}),
		with("keySign", func(is *isolate, k *cryptoKey, p *subtleParams, data []byte) ([]byte, error) {
			return k.sign(is.entropy(), p, data)
		}),
		with("keyEncrypt", func(is *isolate, k *cryptoKey, p *subtleParams, data []byte) ([]byte, error) {
			return k.encrypt(is.entropy(), p, data)
		}),
		with("keyDecrypt", func(_ *isolate, k *cryptoKey, p *subtleParams, data []byte) ([]byte, error) {
			return k.decrypt(p, data)
		}),
		with("keyDerive", func(_ *isolate, k *cryptoKey, p *subtleParams, _ []byte) ([]byte, error) { return k.derive(p) }),
		method("keyVerify", 4, func(is *isolate, call goja.FunctionCall) goja.Value {
			key, _ := exported[*cryptoKey](arg(call, 0))
			ok, err := key.verify(is.subtleParams(arg(call, 1)), is.viewBytes(arg(call, 2)), is.viewBytes(arg(call, 3)))
			is.mustCrypto(err)
			return is.vm.ToValue(ok)
		}),
		method("keyImport", 3, func(is *isolate, call goja.FunctionCall) goja.Value {
			p := is.subtleParams(arg(call, 1))
			data := is.viewBytes(arg(call, 2))
			if data == nil {
				data = []byte(arg(call, 2).String())
			}
			key, err := importKey(p.alg, arg(call, 0).String(), p.curve, data)
			is.mustCrypto(err)
			return is.keyValue(key)
		}),
		method("keyExport", 2, func(is *isolate, call goja.FunctionCall) goja.Value {
			key, _ := exported[*cryptoKey](arg(call, 0))
			out, err := key.export(arg(call, 1).String())
			is.mustCrypto(err)
			if arg(call, 1).String() == "jwk" {
				return is.vm.ToValue(string(out))
			}
			return is.newBuffer(bytes.Clone(out))
		}),
		method("keyGenerate", 1, func(is *isolate, call goja.FunctionCall) goja.Value {
			p := is.subtleParams(arg(call, 0))
			key, err := generateKey(is.entropy(), p.alg, p.curve, p.bits)
			is.mustCrypto(err)
			return is.keyValue(key)
		}),
		method("keyPublic", 1, func(is *isolate, call goja.FunctionCall) goja.Value {
			key, _ := exported[*cryptoKey](arg(call, 0))
			public := *key
			public.rsa, public.ec, public.ed, public.x, public.private = nil, nil, nil, nil, false
			return is.keyValue(&public)
		}),
	}
}

// entropy is where keys and salts come from. Queries and mutations never get here with an operation that draws.
func (is *isolate) entropy() io.Reader {
	if is.run == nil {
		return nil
	}
	return is.run.random
}

// keyValue is what the shim keeps of a key: a handle, and what its attributes say.
func (is *isolate) keyValue(k *cryptoKey) goja.Value {
	obj := is.vm.NewObject()
	is.define(obj, "handle", is.vm.ToValue(k))
	is.define(obj, "type", is.vm.ToValue(k.kind()))
	is.define(obj, "bits", is.vm.ToValue(len(k.secret)*8))
	if k.rsaPub != nil {
		is.define(obj, "bits", is.vm.ToValue(k.rsaPub.N.BitLen()))
		is.define(obj, "exponent", is.newBuffer(big.NewInt(int64(k.rsaPub.E)).Bytes()))
	}
	return obj
}

// mustCrypto throws the DOMException of an error.
func (is *isolate) mustCrypto(err error) {
	if err == nil {
		return
	}
	known := &cryptoError{"OperationError", "The operation failed: " + err.Error()}
	errors.As(err, &known)
	panic(is.domException(known.name, known.message))
}

func digest(h func() hash.Hash, data []byte) []byte {
	sum := h()
	sum.Write(data)
	return sum.Sum(nil)
}

func (k *cryptoKey) sign(random io.Reader, p *subtleParams, data []byte) ([]byte, error) {
	if p.alg == "Ed25519" {
		return ed25519.Sign(k.ed, data), nil
	}
	id, h, err := hashOf(p.hash)
	if err != nil {
		return nil, err
	}
	switch p.alg {
	case "HMAC":
		return mac(h, k.secret, data), nil
	case "RSASSA-PKCS1-v1_5":
		return rsa.SignPKCS1v15(nil, k.rsa, id, digest(h, data))
	case "RSA-PSS":
		return rsa.SignPSS(random, k.rsa, id, digest(h, data), &rsa.PSSOptions{SaltLength: p.saltLength, Hash: id})
	case "ECDSA":
		r, s, err := ecdsa.Sign(random, k.ec, digest(h, data))
		if err != nil {
			return nil, err
		}
		size := (k.ec.Params().BitSize + 7) / 8
		out := make([]byte, 2*size)
		r.FillBytes(out[:size])
		s.FillBytes(out[size:])
		return out, nil
	}
	return nil, unsupportedKey("signing with " + p.alg)
}

func mac(h func() hash.Hash, key, data []byte) []byte {
	m := hmac.New(h, key)
	m.Write(data)
	return m.Sum(nil)
}

func (k *cryptoKey) verify(p *subtleParams, signature, data []byte) (bool, error) {
	if p.alg == "Ed25519" {
		return len(signature) == ed25519.SignatureSize && ed25519.Verify(k.edPub, data, signature), nil
	}
	id, h, err := hashOf(p.hash)
	if err != nil {
		return false, err
	}
	switch p.alg {
	case "HMAC":
		return hmac.Equal(signature, mac(h, k.secret, data)), nil
	case "RSASSA-PKCS1-v1_5":
		return rsa.VerifyPKCS1v15(k.rsaPub, id, digest(h, data), signature) == nil, nil
	case "RSA-PSS":
		return rsa.VerifyPSS(k.rsaPub, id, digest(h, data), signature, &rsa.PSSOptions{SaltLength: p.saltLength, Hash: id}) == nil, nil
	case "ECDSA":
		size := (k.ecPub.Params().BitSize + 7) / 8
		if len(signature) != 2*size {
			return false, nil
		}
		r, s := new(big.Int).SetBytes(signature[:size]), new(big.Int).SetBytes(signature[size:])
		return ecdsa.Verify(k.ecPub, digest(h, data), r, s), nil
	}
	return false, unsupportedKey("verifying with " + p.alg)
}

func (k *cryptoKey) encrypt(random io.Reader, p *subtleParams, data []byte) ([]byte, error) {
	if p.alg == "RSA-OAEP" {
		_, h, err := hashOf(p.hash)
		if err != nil {
			return nil, err
		}
		return rsa.EncryptOAEP(h(), random, k.rsaPub, data, p.label)
	}
	block, err := aes.NewCipher(k.secret)
	if err != nil {
		return nil, err
	}
	switch p.alg {
	case "AES-CBC":
		padding := aes.BlockSize - len(data)%aes.BlockSize
		out := append(bytes.Clone(data), bytes.Repeat([]byte{byte(padding)}, padding)...)
		cipher.NewCBCEncrypter(block, p.iv).CryptBlocks(out, out)
		return out, nil
	case "AES-CTR":
		return ctr(block, p, data)
	case "AES-GCM":
		gcm, err := gcmOf(block, p)
		if err != nil {
			return nil, err
		}
		return gcm.Seal(nil, p.iv, data, p.additional), nil
	}
	return nil, unsupportedKey("encrypting with " + p.alg)
}

func (k *cryptoKey) decrypt(p *subtleParams, data []byte) ([]byte, error) {
	if p.alg == "RSA-OAEP" {
		_, h, err := hashOf(p.hash)
		if err != nil {
			return nil, err
		}
		return rsa.DecryptOAEP(h(), nil, k.rsa, data, p.label)
	}
	block, err := aes.NewCipher(k.secret)
	if err != nil {
		return nil, err
	}
	switch p.alg {
	case "AES-CBC":
		return cbcOpen(block, p.iv, data)
	case "AES-CTR":
		return ctr(block, p, data)
	case "AES-GCM":
		gcm, err := gcmOf(block, p)
		if err != nil {
			return nil, err
		}
		out, err := gcm.Open(nil, p.iv, data, p.additional)
		if err != nil {
			return nil, badOperation("The data was not encrypted with this key and these parameters")
		}
		return out, nil
	}
	return nil, unsupportedKey("decrypting with " + p.alg)
}

func cbcOpen(block cipher.Block, iv, data []byte) ([]byte, error) {
	if len(data) == 0 || len(data)%aes.BlockSize != 0 {
		return nil, badOperation("The data is not a whole number of blocks")
	}
	out := make([]byte, len(data))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(out, data)
	padding := int(out[len(out)-1])
	if padding == 0 || padding > aes.BlockSize || !bytes.Equal(out[len(out)-padding:], bytes.Repeat([]byte{byte(padding)}, padding)) {
		return nil, badOperation("The padding is wrong")
	}
	return out[:len(out)-padding], nil
}

func gcmOf(block cipher.Block, p *subtleParams) (cipher.AEAD, error) {
	if p.tagLength == 128 {
		return cipher.NewGCMWithNonceSize(block, len(p.iv))
	}
	if len(p.iv) != 12 {
		return nil, unsupportedKey("a short tag with an iv that has not 12 bytes")
	}
	return cipher.NewGCMWithTagSize(block, p.tagLength/8)
}

// ctr encrypts or decrypts with the last counterBits of the counter block counting. Where they would overflow into the
// rest of the block, the counter begins anew at zero.
func ctr(block cipher.Block, p *subtleParams, data []byte) ([]byte, error) {
	counter := new(big.Int).SetBytes(p.counter)
	span := new(big.Int).Lsh(big.NewInt(1), uint(p.counterBits))
	at := new(big.Int).Mod(counter, span)
	left := new(big.Int).Sub(span, at)
	blocks := big.NewInt(int64((len(data) + aes.BlockSize - 1) / aes.BlockSize))
	if blocks.Cmp(span) > 0 {
		return nil, badOperation("The data is too long for the counter")
	}
	out := make([]byte, len(data))
	first := len(data)
	if blocks.Cmp(left) > 0 {
		first = int(left.Int64()) * aes.BlockSize
	}
	cipher.NewCTR(block, p.counter).XORKeyStream(out[:first], data[:first])
	if first < len(data) {
		again := make([]byte, aes.BlockSize)
		new(big.Int).Sub(counter, at).FillBytes(again)
		cipher.NewCTR(block, again).XORKeyStream(out[first:], data[first:])
	}
	return out, nil
}

// iterationsMax bounds PBKDF2, which cannot be interrupted.
const iterationsMax = 10_000_000

func (k *cryptoKey) derive(p *subtleParams) ([]byte, error) {
	switch p.alg {
	case "PBKDF2":
		_, h, err := hashOf(p.hash)
		if err != nil {
			return nil, err
		}
		if p.iterations <= 0 || p.iterations > iterationsMax {
			return nil, badOperation("The number of iterations must be from 1 to 10000000")
		}
		return pbkdf2.Key(h, string(k.secret), p.salt, p.iterations, p.bits/8)
	case "HKDF":
		_, h, err := hashOf(p.hash)
		if err != nil {
			return nil, err
		}
		return hkdf.Key(h, k.secret, p.salt, string(p.info), p.bits/8)
	}
	return k.agree(p)
}

// agree is what two parties of a key agreement have in common; zero bits mean all of it.
func (k *cryptoKey) agree(p *subtleParams) (shared []byte, err error) {
	switch {
	case p.peer == nil:
		return nil, &cryptoError{"InvalidAccessError", "The public key of the other party is missing"}
	case k.x != nil && p.peer.xPub != nil:
		shared, err = k.x.ECDH(p.peer.xPub)
	case k.ec != nil && p.peer.ecPub != nil:
		shared, err = agreeEC(k.ec, p.peer.ecPub)
	default:
		return nil, &cryptoError{"InvalidAccessError", "The keys are not of the same algorithm"}
	}
	if err != nil {
		return nil, badOperation(err.Error())
	}
	if p.bits > len(shared)*8 {
		return nil, badOperation("More bits were asked for than the keys agree on")
	}
	if p.bits > 0 {
		shared = shared[:(p.bits+7)/8]
	}
	return shared, nil
}

func agreeEC(key *ecdsa.PrivateKey, pub *ecdsa.PublicKey) ([]byte, error) {
	a, err := key.ECDH()
	if err != nil {
		return nil, err
	}
	b, err := pub.ECDH()
	if err != nil {
		return nil, err
	}
	return a.ECDH(b)
}
