package test

import (
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"hash"
	"os"
	"testing"

	"github.com/segmentio/kafka-go"
)

// trust is TLS with the certificate of a test's broker.
func trust(ca string) (*tls.Config, error) {
	pem, err := os.ReadFile(ca)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, errors.New("no certificate in " + ca)
	}
	return &tls.Config{RootCAs: pool}, nil
}

// addScramUser makes the user runlog known to SCRAM.
func addScramUser(t *testing.T, admin *kafka.Client, m kafka.ScramMechanism) {
	t.Helper()
	const iterations = 4096
	salt := make([]byte, 16)
	if _, err := rand.Read(salt); err != nil {
		t.Fatal(err)
	}
	newHash, size := sha256.New, sha256.Size
	if m == kafka.ScramMechanismSha512 {
		newHash, size = sha512.New, sha512.Size
	}
	salted, err := pbkdf2.Key(func() hash.Hash { return newHash() }, "runlog-secret", salt, iterations, size)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := admin.AlterUserScramCredentials(t.Context(), &kafka.AlterUserScramCredentialsRequest{
		Upsertions: []kafka.UserScramCredentialsUpsertion{{Name: "runlog", Mechanism: m, Iterations: iterations, Salt: salt, SaltedPassword: salted}},
	})
	if err == nil && len(answer.Results) > 0 {
		err = answer.Results[0].Error
	}
	if err != nil {
		t.Fatal(err)
	}
}
