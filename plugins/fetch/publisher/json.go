package publisher

import (
	"encoding/json"
	"net/http"
)

// answerJSON answers with one JSON value.
func answerJSON(w http.ResponseWriter, code int, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // a publisher's own mistake
	}
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
	}
	w.WriteHeader(code)
	_, _ = w.Write(text) // who went away needs no answer
}
