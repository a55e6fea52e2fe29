package temporalconn

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"go.temporal.io/api/serviceerror"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// tlsAdvice says what to do about an error of TLS, nothing when it does not know.
func (c *Config) tlsAdvice(err error, settings *tls.Config) (advice string) {
	var authority x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var header tls.RecordHeaderError
	switch {
	case errors.As(err, &authority) && settings.RootCAs == nil:
		advice = "the system knows no authority of Temporal's certificate: name it with --temporal-ca-file"
	case errors.As(err, &authority):
		advice = "Temporal's certificate is not of the authorities in " + orEnvironment(c.CAFile) + ": put the one there that has made it"
	case errors.As(err, &name):
		advice = "Temporal's certificate is for another name: set --temporal-server-name to " + strings.Join(name.Certificate.DNSNames, " or ")
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired && time.Now().Before(invalid.Cert.NotBefore):
		advice = "Temporal's certificate is valid from " + day(invalid.Cert.NotBefore) + " on: check the clocks"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		advice = "Temporal's certificate, or that of its authority, is over since " + day(invalid.Cert.NotAfter) + ": renew it there"
	case errors.As(err, &header):
		advice = "the server does not speak TLS: use its other port, or --temporal-tls=off"
	case strings.Contains(refusal(err), "certificate"):
		advice = c.refused(settings)
	}
	return advice
}

// refusal is what a server says when it ends a handshake, empty for another error.
func refusal(err error) string {
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "remote error" { // crypto/tls exports no type for it
		return op.Err.Error()
	}
	return ""
}

// refused says why a client's certificate may have been.
func (c *Config) refused(settings *tls.Config) string {
	if len(settings.Certificates) == 0 {
		return "Temporal wants a client certificate: name one with --temporal-cert-file and --temporal-key-file"
	}
	where := orEnvironment(c.CertFile)
	leaf, err := x509.ParseCertificate(settings.Certificates[0].Certificate[0])
	if err == nil && time.Now().After(leaf.NotAfter) {
		return "the client certificate in " + where + " is over since " + day(leaf.NotAfter) + ": renew it"
	}
	return "Temporal refuses the client certificate in " + where + ": have it made by an authority that Temporal takes it from"
}

func orEnvironment(path string) string {
	if path == "" {
		return "the environment"
	}
	return path
}

func day(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// advise adds to the errors of calls what to do about them. It is a gRPC interceptor, next to the
// wire, so that whoever gets an error of a client gets the advice, too.
func (c *Config) advise(credentials *transport) grpc.UnaryClientInterceptor {
	return func(ctx context.Context, method string, request, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		err := invoke(ctx, method, request, reply, conn, opts...)
		if err == nil {
			return nil
		}
		s := status.Convert(err)
		if said := credentials.lastAdvice(); s.Code() == codes.Unavailable && said != "" && strings.Contains(s.Message(), said) {
			return withAdvice(s, said)
		}
		advice := c.advice(s)
		if advice == "" {
			return err
		}
		with := s.Proto()
		with.Message += ": " + advice
		if s.Code() != codes.Unavailable {
			return status.ErrorProto(with)
		}
		return withAdvice(status.FromProto(with), advice)
	}
}

// withAdvice is an error by which Advice finds what to do about a connection that cannot be made.
func withAdvice(s *status.Status, advice string) error {
	with, err := s.WithDetails(&errdetails.Help{Links: []*errdetails.Help_Link{{Description: advice}}})
	if err != nil {
		return s.Err()
	}
	return with.Err()
}

// Advice is what to do about an error of a client that could not connect, empty when that is not
// known. The message of such an error has more in it, which is another one with each try.
func Advice(err error) string {
	s := status.Convert(err)
	var failed serviceerror.ServiceError
	if errors.As(err, &failed) {
		s = failed.Status()
	}
	for _, detail := range s.Details() {
		if help, ok := detail.(*errdetails.Help); ok && len(help.GetLinks()) > 0 {
			return help.GetLinks()[0].GetDescription()
		}
	}
	return ""
}

// advice is what to do about an answer, empty when that is not known.
func (c *Config) advice(s *status.Status) string {
	var namespace *serviceerror.NamespaceNotFound
	switch {
	case errors.As(serviceerror.FromStatus(s), &namespace):
		return fmt.Sprintf("create it (temporal operator namespace create --namespace %s --retention 168h), or name another one with --temporal-namespace", c.Namespace)
	case s.Code() == codes.Unauthenticated || s.Code() == codes.PermissionDenied:
		switch {
		case c.APIKeyFile != "":
			return fmt.Sprintf("check that the API key in %s is valid, and may use namespace %s", c.APIKeyFile, c.Namespace)
		case c.environment.APIKey != "":
			return fmt.Sprintf("check that the key in $TEMPORAL_API_KEY is valid, and may use namespace %s", c.Namespace)
		case c.CertFile != "":
			return fmt.Sprintf("check that who the certificate in %s names may use namespace %s", c.CertFile, c.Namespace)
		}
		return "say who this program is, with --temporal-api-key-file, or --temporal-cert-file and --temporal-key-file"
	case s.Code() == codes.Unavailable && !c.encrypted() && strings.Contains(s.Message(), "server preface"):
		return "if the server speaks TLS, use --temporal-tls=on"
	}
	return ""
}
