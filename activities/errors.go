package activities

import (
	"go.temporal.io/sdk/temporal"
)

// Permanent marks an error that no other try can help, with one of the types of NotRetried.
func Permanent(kind string, err error) error {
	return temporal.NewNonRetryableApplicationError(err.Error(), kind, nil)
}
