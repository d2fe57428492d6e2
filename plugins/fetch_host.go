package plugins

import (
	"errors"
	"fmt"
	"strings"
)

// Names of the credentials for a host that no plugin has credentials for by other names.
const (
	hostUsername = "CAIRN_USERNAME_"
	hostPassword = "CAIRN_PASSWORD_"
)

// HostSecrets are what catalog.Spec.Secrets says of a plugin that may ask for the credentials of any host.
var HostSecrets = []string{hostUsername + "*", hostPassword + "*"}

// HostNames are the names of the user name and the password for a host, such as CAIRN_PASSWORD_DATA_EXAMPLE_ORG for
// data.example.org: a dot becomes one underscore and a dash two, as in Terraform's TF_TOKEN_. No two hosts share a name,
// so that who may write a manifest cannot have a password sent anywhere but to the host that it is for.
func HostNames(host string) (username, password string, err error) {
	if !isHost(host) {
		return "", "", fmt.Errorf("%q is not the name of a host to which a password could belong: want letters, digits, dots, and dashes between letters or digits", host)
	}
	name := strings.NewReplacer(".", "_", "-", "__").Replace(strings.ToUpper(host))
	return hostUsername + name, hostPassword + name, nil
}

// HostOfName is the host that a name of HostNames is for, and whether it is that of the password.
func HostOfName(name string) (host string, password bool, err error) {
	rest, ok := strings.CutPrefix(name, hostUsername)
	if !ok {
		rest, password = strings.CutPrefix(name, hostPassword)
	}
	host = strings.NewReplacer("__", "-", "_", ".").Replace(strings.ToLower(rest))
	if username, pass, err := HostNames(host); err != nil || name != username && name != pass {
		return "", false, errors.New("not the name of a host's credentials")
	}
	return host, password, nil
}

// isHost says whether s is a name that HostNames keeps apart from all others: ASCII labels that neither begin nor end
// with a dash, of which an IPv4 address consists, too.
func isHost(s string) bool {
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || strings.Trim(label, "-") != label || strings.ContainsFunc(label, func(r rune) bool {
			return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-'
		}) {
			return false
		}
	}
	return true
}
