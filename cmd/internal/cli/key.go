package cli

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/cairn-bench/cairn/activities/keys"
	"github.com/cairn-bench/cairn/manifests/trust"
)

func (a *app) keyCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "key",
		Short: "Make and show the key with which this home signs its records",
		Long: "Every record that a home makes is signed with its key: keys/home.pem, made when it is first needed, or the one that\n" +
			"CAIRN_KEY names. CAIRN_KEY is the path of a key in PKCS#8 (ed25519, or ECDSA on P-256), or exec:PROGRAM ARGUMENT...\n" +
			"for one that a key management system or a token keeps: `PROGRAM ARGUMENT... public` writes the public key as PEM,\n" +
			"`PROGRAM ARGUMENT... sign` reads what is to be signed and writes the signature.",
		Args: args(0),
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(
		&cobra.Command{Use: "init", Short: "Make the key of this home, if it has none", Args: args(0), RunE: func(*cobra.Command, []string) error { return a.keyInit() }},
		a.keyShowCommand())
	return c
}

// shownKey is a public key as `key --json` tells of it.
type shownKey struct {
	Schema string `json:"schema"`
	ID     string `json:"id"`
	Public string `json:"public"`
	File   string `json:"file,omitempty"`
	Made   bool   `json:"made"`
}

func (a *app) keyInit() error {
	w, err := a.open()
	if err != nil {
		return err
	}
	if ref := a.getenv("CAIRN_KEY"); ref != "" {
		return &usageError{fmt.Errorf("CAIRN_KEY names a key already: %s; `cairn key show` shows it", ref)}
	}
	k, made, err := keys.LoadOrMake(keys.File(w.dir))
	if err != nil {
		return err
	}
	public, err := k.Known()
	if err != nil {
		return err
	}
	return a.showKey(public, keys.File(w.dir), made)
}

func (a *app) keyShowCommand() *cobra.Command {
	var pem bool
	c := &cobra.Command{
		Use: "show", Short: "Show the public key, as a trust policy has it", Args: args(0),
		RunE: func(*cobra.Command, []string) error {
			w, err := a.open()
			if err != nil {
				return err
			}
			k, err := w.key.Known()
			if err != nil {
				return err
			}
			if pem {
				_, err = a.Stdout.Write(k.PEM())
				return err
			}
			return a.showKey(k, "", false)
		},
	}
	c.Flags().BoolVar(&pem, "pem", false, "as PEM, for openssl")
	return c
}

func (a *app) showKey(k trust.PublicKey, file string, made bool) error {
	doc := shownKey{Schema: "cairn/key/v1", ID: k.ID, Public: k.Text(), File: file, Made: made}
	return a.print(doc, func(out io.Writer) {
		fmt.Fprintf(out, "%s\n", k.ID)
		if file != "" {
			word := "it was there"
			if made {
				word = "made; who has it can sign for you"
			}
			fmt.Fprintf(out, "%s: %s\n", display(file), word)
		}
		fmt.Fprintf(out, "\nIn the trust policy of those who believe what it signs (trust.yaml in their home, or --trust):\n\n"+
			"apiVersion: cairn/v1\nkind: %s\nkeys:\n  NAME: {public: %s}\n", trust.Kind, k.Text())
	})
}
