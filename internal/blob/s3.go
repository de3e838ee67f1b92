package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"strings"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// S3Options say where a bucket is.
type S3Options struct {
	// Endpoint is "host" or "host:port". Required, as is Bucket.
	Endpoint, Bucket string
	// Prefix stands before the name of each object. Default "blobs/".
	Prefix string
	// Region is guessed from the endpoint if it is empty.
	Region string
	// AccessKey and SecretKey sign the requests. Without them requests are anonymous.
	AccessKey, SecretKey string
	// Plain speaks HTTP instead of HTTPS.
	Plain bool
}

// An S3 is a Store in a bucket. A blob with the hash abcd… is the object PREFIXabcd….
type S3 struct {
	client         *minio.Client
	bucket, prefix string
}

// OpenS3 returns the store of a bucket, which must exist.
func OpenS3(ctx context.Context, o S3Options) (*S3, error) {
	if o.Endpoint == "" || o.Bucket == "" {
		return nil, errors.New("blob: S3 needs an endpoint and a bucket")
	}
	if o.Prefix == "" {
		o.Prefix = "blobs/"
	}
	client, err := minio.New(o.Endpoint, &minio.Options{
		Creds: credentials.NewStaticV4(o.AccessKey, o.SecretKey, ""), Secure: !o.Plain, Region: o.Region,
	})
	if err != nil {
		return nil, fmt.Errorf("S3 at %s: %w", o.Endpoint, err)
	}
	exists, err := client.BucketExists(ctx, o.Bucket)
	if err != nil {
		return nil, fmt.Errorf("S3 bucket %s at %s: %w", o.Bucket, o.Endpoint, err)
	}
	if !exists {
		return nil, fmt.Errorf("S3 at %s has no bucket %s: create it first", o.Endpoint, o.Bucket)
	}
	return &S3{client: client, bucket: o.Bucket, prefix: o.Prefix}, nil
}

func (s *S3) object(h Hash) string { return s.prefix + h.String() }

// Put uploads the content, in parts if it is large. The server checks a digest of each part.
func (s *S3) Put(ctx context.Context, h Hash, size int64, content *os.File) error {
	if info, err := s.client.StatObject(ctx, s.bucket, s.object(h), minio.StatObjectOptions{}); err == nil && info.Size == size {
		return nil
	}
	if _, err := content.Seek(0, io.SeekStart); err != nil {
		return err
	}
	// A part is held in memory while it is sent. Its digest goes with it, in the header: bodies signed in chunks are what
	// servers that are not Amazon's know least.
	options := minio.PutObjectOptions{
		ContentType: "application/octet-stream", PartSize: 16 << 20, NumThreads: 1, DisableContentSha256: true, SendContentMd5: true,
	}
	_, err := s.client.PutObject(ctx, s.bucket, s.object(h), content, size, options)
	return err
}

// Open reads a part of an object.
func (s *S3) Open(ctx context.Context, h Hash, offset, length int64) (io.ReadCloser, error) {
	if length == 0 {
		if _, err := s.client.StatObject(ctx, s.bucket, s.object(h), minio.StatObjectOptions{}); err != nil {
			return nil, s.failure(h, err)
		}
		return io.NopCloser(strings.NewReader("")), nil
	}
	var options minio.GetObjectOptions
	if err := options.SetRange(offset, offset+length-1); err != nil {
		return nil, err
	}
	core := minio.Core{Client: s.client}
	body, _, _, err := core.GetObject(ctx, s.bucket, s.object(h), options)
	if err != nil {
		return nil, s.failure(h, err)
	}
	return body, nil
}

func (s *S3) failure(h Hash, err error) error {
	if response := minio.ToErrorResponse(err); response.Code == "NoSuchKey" || response.StatusCode == 404 {
		return fmt.Errorf("%w: %s", ErrNotFound, h)
	}
	return err
}

// Delete removes an object.
func (s *S3) Delete(ctx context.Context, h Hash) error {
	return s.client.RemoveObject(ctx, s.bucket, s.object(h), minio.RemoveObjectOptions{})
}

// List lists the objects below the prefix.
func (s *S3) List(ctx context.Context) iter.Seq2[Hash, error] {
	return func(yield func(Hash, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel() // ends the listing if the caller stops early
		for object := range s.client.ListObjects(ctx, s.bucket, minio.ListObjectsOptions{Prefix: s.prefix, Recursive: true}) {
			if object.Err != nil {
				yield(Hash{}, object.Err)
				return
			}
			if h, ok := ParseHash(strings.TrimPrefix(object.Key, s.prefix)); ok && !yield(h, nil) {
				return
			}
		}
	}
}
