package report

// checkingNote says what a report is not. Whoever has made it has looked at nothing but his own results.
const checkingNote = "This report shows what a run gave. Nothing in it was verified when it was written, and it proves nothing by itself: " +
	"what it says of a step is what the step's record says, and how close a second computation must come is what its plugin promises. What holds is found out by:"

// check is one way to have a report checked.
type check struct{ Command, Shows string }

// checks are the ways to have a report checked, the quickest first.
func checks() []check {
	return []check{
		{"cairn verify benchmark.lock", "the chain from every number to the bytes that were fetched, who has signed the record of each step, and whether the records are in a ledger. It reads no data"},
		{"cairn verify benchmark.lock --html audit.html", "the same, written as a page for auditors: for every number and every step what is proven at which level, what is not, and which terms apply"},
		{"cairn verify benchmark.lock --level files", "and every byte of all data, file by file"},
		{"cairn verify benchmark.lock --rerun all", "and every step done again, compared as closely as its plugin promises"},
		{"docs/audit.md", "of Cairn's sources: the same without Cairn, with sha256sum, openssl, jq and crane"},
	}
}
