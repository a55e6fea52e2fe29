package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"
	enumspb "go.temporal.io/api/enums/v1"

	"crawlfleet.dev/crawlfleet/devstack/kube"
	"crawlfleet.dev/crawlfleet/devstack/s3"
	"crawlfleet.dev/crawlfleet/devstack/stack"
	"crawlfleet.dev/crawlfleet/devstack/temporal"
)

// server is a running part, in this process or in one of its own.
type server interface {
	// Done is closed when the part has ended.
	Done() <-chan struct{}
	// Err tells, after Done, why it ended by itself.
	Err() error
	// Stop ends it and waits for it.
	Stop()
}

// settings is what one start needs to know of the parts, whichever process they
// run in.
type settings struct {
	dir              string
	ports            stack.Ports
	fast             bool
	searchAttributes []string
	users            []string // of the store
}

func (s settings) kube() kube.Options {
	return kube.Options{Dir: s.dir, Port: s.ports[stack.Kube], Fast: s.fast}
}

func (s settings) temporal() (temporal.Options, error) {
	attributes := make(map[string]enumspb.IndexedValueType, len(s.searchAttributes))
	for _, text := range s.searchAttributes {
		name, kind, err := temporal.ParseSearchAttribute(text)
		if err != nil {
			return temporal.Options{}, err
		}
		attributes[name] = kind
	}
	return temporal.Options{Dir: s.dir, Port: s.ports[stack.Temporal], SearchAttributes: attributes, Fast: s.fast}, nil
}

func (s settings) s3() s3.Options { return s3.Options{Dir: s.dir, Port: s.ports[stack.S3]} }

// s3WithUsers are the options that the store is started with.
func (s settings) s3WithUsers() (opts s3.Options, err error) {
	opts = s.s3()
	opts.Users, err = s3.ParseUsers(s.users)
	return opts, err
}

// startHere starts a part in this process.
func (s settings) startHere(ctx context.Context, name string) (server, error) {
	switch name {
	case stack.Kube:
		return started(kube.Start(ctx, s.kube()))
	case stack.Temporal:
		opts, err := s.temporal()
		if err != nil {
			return nil, err
		}
		return started(temporal.Start(ctx, opts))
	case stack.S3:
		opts, err := s.s3WithUsers()
		if err != nil {
			return nil, err
		}
		return started(s3.Start(ctx, opts))
	default:
		return nil, fmt.Errorf("no part is called %q", name)
	}
}

// started keeps a nil pointer from becoming a server that is not nil.
func started[S server](s S, err error) (server, error) {
	if err != nil {
		return nil, err
	}
	return s, nil
}

// args are the command line on which a part of these settings runs by itself.
func (s settings) args(name string) []string {
	args := []string{name, "--dir", s.dir, "--port", strconv.Itoa(s.ports[name])}
	if s.fast {
		args = append(args, "--fast")
	}
	for _, a := range s.searchAttributes {
		args = append(args, "--search-attribute", a)
	}
	for _, u := range s.users {
		args = append(args, "--s3-user", u)
	}
	return args
}

// newPartCommand is the process of one part; "start" runs it.
func newPartCommand(name string) *cobra.Command {
	var s settings
	var port int
	cmd := &cobra.Command{
		Use:    name,
		Short:  "Run one part; \"devstack start\" does so",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			parent, err := stack.NewReporter()
			if err != nil {
				return err
			}
			s.ports = stack.Ports{name: port}
			part, err := s.startHere(cmd.Context(), name)
			if err != nil {
				return parent.Failed(err)
			}
			defer part.Stop()
			if err := parent.Ready(); err != nil {
				return err
			}
			select {
			case <-cmd.Context().Done():
				return nil
			case <-part.Done():
				return part.Err()
			}
		},
	}
	dirFlag(cmd, &s.dir)
	cmd.Flags().IntVar(&port, "port", 0, "port on the loopback address")
	cmd.Flags().BoolVar(&s.fast, "fast", false, "no fsync")
	cmd.Flags().StringArrayVar(&s.searchAttributes, "search-attribute", nil, "Temporal search attribute, Name=Type")
	cmd.Flags().StringArrayVar(&s.users, "s3-user", nil, "user of the store, POLICY=CREDENTIALS")
	return cmd
}
