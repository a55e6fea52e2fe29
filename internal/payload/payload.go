// Package payload encrypts what goes to Temporal: the inputs, results and heartbeats of
// workflows and activities, and the messages of their failures, which name addresses and
// hosts. The server stores them for as long as it keeps histories and needs to read none of
// them. Workflow IDs, task queues, the names of types and search attributes it does need;
// they are never encrypted and hold identifiers alone.
//
// # Keys
//
// A file has a key a line: a name, and 32 random bytes in base64. Empty lines and those that
// begin with # mean nothing.
//
//	# the first encrypts, all decrypt
//	2026-11 9Z0r3n3YyW4t8f2q1u6v7x8y9zABCDEFGHIJKLMNOPQ=
//
// It is read again when it has changed. To rotate, add the new key as the second line
// wherever the file is, then make it the first, and take the old one out when no history
// is kept any more that was written with it. What is not encrypted can always be read, so
// that a fleet may begin with keys at any time; the way back needs the keys for as long as
// there are such histories.
//
// # Format
//
// A payload is AES-256-GCM (NIST SP 800-38D) with a random nonce of 12 bytes before the
// ciphertext, over the payload as a protocol buffer, its own metadata included. The name of
// the key is metadata and authenticated. A key is good for 2^32 payloads (section 8.3):
// rotate well before.
package payload

import (
	"crypto/aes"
	"crypto/cipher"
	"fmt"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"google.golang.org/protobuf/proto"
)

// The metadata of an encrypted payload, as Temporal's samples and tools have it.
const (
	encoding   = "binary/encrypted"
	keyIDField = "encryption-key-id"
)

var _ converter.PayloadCodec = (*Keys)(nil)

// Apply has a client, and its workers, encrypt what they send and decrypt what they get.
func (k *Keys) Apply(o *client.Options) {
	o.DataConverter = payloads{DataConverter: converter.NewCodecDataConverter(converter.GetDefaultDataConverter(), k)}
	o.Interceptors = append(o.Interceptors, &blocking{keys: k})
	o.FailureConverter = failures{temporal.NewDefaultFailureConverter(temporal.DefaultFailureConverterOptions{
		DataConverter: o.DataConverter, EncodeCommonAttributes: true,
	}), k}
}

// Encode implements converter.PayloadCodec. While keys are wanted and there are none it is an
// error; where they are optional and there is no file yet it changes nothing.
func (k *Keys) Encode(list []*commonpb.Payload) ([]*commonpb.Payload, error) {
	first, err := k.first()
	if err != nil {
		return nil, fmt.Errorf("encrypt a payload: %w", err)
	}
	if first == nil {
		return list, nil
	}
	out := make([]*commonpb.Payload, len(list))
	for i, p := range list {
		raw, err := proto.Marshal(p)
		if err != nil {
			return nil, fmt.Errorf("encrypt a payload: %w", err)
		}
		out[i] = &commonpb.Payload{
			Metadata: map[string][]byte{converter.MetadataEncoding: []byte(encoding), keyIDField: []byte(first.id)},
			Data:     first.aead.Seal(nil, nil, raw, []byte(first.id)),
		}
	}
	return out, nil
}

// Decode implements converter.PayloadCodec. What is not encrypted it returns as it is.
func (k *Keys) Decode(list []*commonpb.Payload) ([]*commonpb.Payload, error) {
	out := make([]*commonpb.Payload, len(list))
	for i, p := range list {
		if string(p.GetMetadata()[converter.MetadataEncoding]) != encoding {
			out[i] = p
			continue
		}
		plain, err := k.decrypt(p)
		if err != nil {
			return nil, fmt.Errorf("decrypt a payload: %w", err)
		}
		out[i] = plain
	}
	return out, nil
}

func (k *Keys) decrypt(p *commonpb.Payload) (*commonpb.Payload, error) {
	id := string(p.GetMetadata()[keyIDField])
	with := k.find(id)
	if with == nil {
		return nil, fmt.Errorf("the key %q is not in the file: put it back, below the others", id)
	}
	raw, err := with.aead.Open(nil, nil, p.GetData(), []byte(id))
	if err != nil {
		return nil, fmt.Errorf("the key %q is another one than it was written with, or it was changed: %w", id, err)
	}
	plain := new(commonpb.Payload)
	if err := proto.Unmarshal(raw, plain); err != nil {
		return nil, err
	}
	return plain, nil
}

// newAEAD makes the cipher of a key of 32 bytes. It makes and takes nonces itself.
func newAEAD(secret []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(secret)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}
