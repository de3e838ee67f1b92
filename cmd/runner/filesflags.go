package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/pflag"

	"runlog/internal/blob"
)

// fileFlags say where the contents of files are kept.
type fileFlags struct {
	size int
	s3   blob.S3Options
}

func (f *fileFlags) register(flags *pflag.FlagSet) {
	flags.IntVar(&f.size, "file-size", 0, "largest file that may be uploaded, in `MB`; 0 sets no bound")
	flags.StringVar(&f.s3.Endpoint, "s3-endpoint", "", "keep the contents of files in a bucket of this S3 server instead of the data folder: `HOST[:PORT]`")
	flags.StringVar(&f.s3.Bucket, "s3-bucket", "", "the bucket, which must exist; its objects below --s3-prefix must be this server's alone")
	flags.StringVar(&f.s3.Prefix, "s3-prefix", "blobs/", "what the names of objects begin with")
	flags.StringVar(&f.s3.Region, "s3-region", "", "the region of the bucket, if the server needs one")
	flags.StringVar(&f.s3.AccessKey, "s3-access-key", "", "access key; better set as "+envName("s3-access-key"))
	flags.StringVar(&f.s3.SecretKey, "s3-secret-key", "", "secret key; better set as "+envName("s3-secret-key"))
	flags.BoolVar(&f.s3.Plain, "s3-plain", false, "speak HTTP to the S3 server, without TLS")
}

func (f *fileFlags) validate() error {
	if (f.s3.Endpoint == "") != (f.s3.Bucket == "") {
		return errors.New("--s3-endpoint and --s3-bucket belong together: set both, or none")
	}
	if f.size < 0 {
		return fmt.Errorf("--file-size is %d, want megabytes, or 0 for no bound", f.size)
	}
	return nil
}

// open opens the bucket; nil if files are kept in the data folder.
func (f *fileFlags) open(ctx context.Context) (blob.Store, error) {
	if f.s3.Endpoint == "" {
		return nil, nil
	}
	store, err := blob.OpenS3(ctx, f.s3)
	if err != nil {
		return nil, err
	}
	return store, nil
}

func (f *fileFlags) sizeMax() int64 { return int64(f.size) << 20 }
