package main

import (
	"os"

	"github.com/spf13/pflag"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/cli"
	"crawlfleet.dev/crawlfleet/internal/custody"
)

// bucketFlags say where the store is, and which of its buckets is meant.
type bucketFlags struct {
	config blob.Config
	name   string
}

// add adds the flags, but for the one that names the bucket.
func (f *bucketFlags) add(fl *pflag.FlagSet) {
	fl.StringVar(&f.config.Endpoint, "s3-endpoint", os.Getenv("CRAWLFLEET_S3_ENDPOINT"), "the store, http://host:port or https://host [$CRAWLFLEET_S3_ENDPOINT]")
	fl.StringVar(&f.config.Region, "s3-region", envOr("CRAWLFLEET_S3_REGION", "us-east-1"), "the store's region [$CRAWLFLEET_S3_REGION]")
	fl.StringVar(&f.config.CredentialsFile, "s3-credentials-file", os.Getenv("CRAWLFLEET_S3_CREDENTIALS_FILE"),
		"credentials as an AWS ini `FILE` [$CRAWLFLEET_S3_CREDENTIALS_FILE, or $CRAWLFLEET_S3_ACCESS_KEY and $CRAWLFLEET_S3_SECRET_KEY]")
}

func envOr(name, fallback string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return fallback
}

func (f *bucketFlags) open() (*blob.Bucket, error) {
	if f.config.Endpoint == "" {
		return nil, cli.Usage("no store: give --s3-endpoint, or set CRAWLFLEET_S3_ENDPOINT")
	}
	f.config.AccessKey, f.config.SecretKey = os.Getenv("CRAWLFLEET_S3_ACCESS_KEY"), os.Getenv("CRAWLFLEET_S3_SECRET_KEY")
	c, err := blob.NewClient(f.config)
	if err != nil {
		return nil, cli.Input("%w", err)
	}
	return c.Bucket(f.name), nil
}

// openCustody is open for who wants the custody log in the bucket.
func (f *bucketFlags) openCustody() (custody.Store, error) { return f.open() }
