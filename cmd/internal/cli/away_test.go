package cli

import (
	"context"
	"testing"

	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// TestWhileAway: no step ends because nobody hears of it, and how it has ended is told when somebody does.
func TestWhileAway(t *testing.T) {
	const (
		beat  = workflowservice.WorkflowService_RecordActivityTaskHeartbeat_FullMethodName
		done  = workflowservice.WorkflowService_RespondActivityTaskCompleted_FullMethodName
		wrong = workflowservice.WorkflowService_RespondActivityTaskFailed_FullMethodName
		list  = workflowservice.WorkflowService_ListWorkflowExecutions_FullMethodName
	)
	for _, c := range []struct {
		method  string
		answers []codes.Code
		want    codes.Code
	}{
		{beat, []codes.Code{codes.OK}, codes.OK},
		{beat, []codes.Code{codes.Unavailable}, codes.OK},
		{beat, []codes.Code{codes.DeadlineExceeded}, codes.OK},
		{beat, []codes.Code{codes.NotFound}, codes.NotFound}, // the try does not count any more
		{done, []codes.Code{codes.Unavailable, codes.DeadlineExceeded, codes.OK}, codes.OK},
		{wrong, []codes.Code{codes.DeadlineExceeded, codes.NotFound}, codes.NotFound},
		{list, []codes.Code{codes.Unavailable}, codes.Unavailable},
	} {
		calls := 0
		ctx, cancel := context.WithCancel(t.Context())
		err := whileAway(ctx, c.method, nil, nil, nil, func(ctx context.Context, method string, _, _ any, _ *grpc.ClientConn, _ ...grpc.CallOption) error {
			if ctx.Err() != nil || method != c.method {
				t.Errorf("%s: call %d of %s with %v", c.method, calls, method, ctx.Err())
			}
			cancel() // the SDK does not wait for long
			calls++
			return status.Error(c.answers[calls-1], "")
		})
		if status.Code(err) != c.want || calls != len(c.answers) {
			t.Errorf("%s, answered by %v: %v after %d calls, want %v", c.method, c.answers, err, calls, c.want)
		}
	}
}
