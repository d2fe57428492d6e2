package cli

import (
	"context"
	"strings"
	"time"

	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// rpcLimit is how long one call may take, as in the SDK.
const rpcLimit = 10 * time.Second

// whileAway keeps what a worker is at when the engine is away, which the SDK would give up: it takes a sign of life that
// does not come through in five seconds for the end of the step, and does not tell after ten how a step has ended. It
// is for the engine to decide which tries count, when it is there again.
func whileAway(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	err := invoke(ctx, method, req, reply, cc, opts...)
	switch {
	case !isAway(err):
		return err
	case method == workflowservice.WorkflowService_RecordActivityTaskHeartbeat_FullMethodName:
		return nil
	case !strings.HasPrefix(method, "/temporal.api.workflowservice.v1.WorkflowService/RespondActivityTask"):
		return err
	}
	for isAway(err) {
		time.Sleep(again)
		try, cancel := context.WithTimeout(context.WithoutCancel(ctx), rpcLimit)
		err = invoke(try, method, req, reply, cc, opts...)
		cancel()
	}
	return err
}

// isAway says whether an error is there because nobody answers.
func isAway(err error) bool {
	switch status.Code(err) {
	case codes.Unavailable, codes.DeadlineExceeded:
		return true
	}
	return false
}
