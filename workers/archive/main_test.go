package archive

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if order := os.Getenv(lineEnv); order != "" {
		wholeLine(order)
	}
	goleak.VerifyTestMain(m)
}
