package cli

func onArtifacts() []attack { return nil }
func onLedger() []attack    { return nil }
