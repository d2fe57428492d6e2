package publisher

import "testing"

func FuzzSignature(f *testing.F) {
	f.Add("AWS4-HMAC-SHA256 Credential=A/20130524/us-east-1/s3/aws4_request,SignedHeaders=host;x-amz-date,Signature=f0")
	f.Add("AWS4-HMAC-SHA256 Credential=A/20130524, SignedHeaders=host, Signature=f0")
	f.Add("AWS A:b")
	f.Fuzz(func(t *testing.T, text string) {
		sig, ok := parseSignature(text)
		if ok && (sig.hmac == "" || len(sig.headers) == 0) {
			t.Errorf("%q is %+v", text, sig)
		}
	})
}
