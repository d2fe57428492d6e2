package verify

// AtMostBad is atMostBad with the confidence of a Sample.
func AtMostBad(n, drawn uint64) uint64 { return atMostBad(n, drawn, confidence) }
