package frontier

import "context"

// Beat sends heartbeats for an activity until the function that it returns is called.
func Beat(ctx context.Context) (stop func()) { return beat(ctx) }

// StoreError gives a store's error the type by which a workflow knows it; others stay as
// they are.
func StoreError(err error) error { return storeError(err) }
