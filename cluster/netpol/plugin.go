package netpol

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// askTimeout is how long the rules of a new pod may take.
const askTimeout = 30 * time.Second

// NewPod is what the CNI plugin says of a pod that is about to start.
type NewPod struct {
	Namespace, Name, UID, Address string
}

type answer struct{ Problem string }

// Ask tells the engine at a socket of a new pod and returns when its rules hold: no
// container of it has started then.
func Ask(socket string, p NewPod) error {
	conn, err := net.DialTimeout("unix", socket, askTimeout)
	if err != nil {
		return fmt.Errorf("reach the engine of the network policies: %w", err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(askTimeout)); err != nil {
		return err
	}
	if err := json.NewEncoder(conn).Encode(p); err != nil {
		return err
	}
	var a answer
	if err := json.NewDecoder(conn).Decode(&a); err != nil {
		return fmt.Errorf("hear from the engine of the network policies: %w", err)
	}
	if a.Problem != "" {
		return errors.New(a.Problem)
	}
	return nil
}

// answer serves plugins until the context is done.
func (e *Engine) answer(ctx context.Context, plugin net.Listener) {
	stop := context.AfterFunc(ctx, func() { plugin.Close() })
	defer stop()
	var serving sync.WaitGroup
	defer serving.Wait()
	for {
		conn, err := plugin.Accept()
		if err != nil {
			if ctx.Err() == nil {
				slog.Error("no pods are taken any more", "error", err)
			}
			return
		}
		serving.Go(func() {
			defer conn.Close()
			e.serve(ctx, conn)
		})
	}
}

func (e *Engine) serve(ctx context.Context, conn net.Conn) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	_ = conn.SetDeadline(time.Now().Add(askTimeout))
	var p NewPod
	if err := json.NewDecoder(conn).Decode(&p); err != nil {
		slog.Warn("a plugin's question cannot be read", "error", err)
		return
	}
	var a answer
	if err := e.admit(ctx, p); err != nil {
		a.Problem = err.Error()
	}
	_ = json.NewEncoder(conn).Encode(a) // who does not listen any more asks again
}

// admit waits until the pod is known, and writes its rules.
func (e *Engine) admit(ctx context.Context, p NewPod) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		known, err := e.pods.Pods(p.Namespace).Get(p.Name)
		if err == nil && string(known.UID) == p.UID {
			break
		}
		if err != nil && !apierrors.IsNotFound(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("pod %s/%s is not known", p.Namespace, p.Name)
		case <-tick.C:
		}
	}
	e.give(types.UID(p.UID), p.Address)
	return e.Sync(ctx)
}

// give records that an address is a pod's now, and so no other's any more.
func (e *Engine) give(uid types.UID, address string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	maps.DeleteFunc(e.addresses, func(_ types.UID, given string) bool { return given == address })
	e.addresses[uid] = address
}

// byName orders objects.
func byName[T metav1.Object](a, b T) int {
	return cmp.Or(cmp.Compare(a.GetNamespace(), b.GetNamespace()), cmp.Compare(a.GetName(), b.GetName()))
}
