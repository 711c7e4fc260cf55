package masking

import "strings"

// Args returns the arguments of a command as they may be shown:
//
//	--password x  --token=x  -px9  API_KEY=x  -u name:x    x is hidden
//	a long word of letters and digits without a pattern    is hidden
//	-p x of sshpass, -a x of redis-cli and the like        x is hidden
//	scripts                                                the same in their words
//	what [Text] hides
func Args(args []string) []string {
	shown := make([]string, len(args))
	var a arguments
	for i, arg := range args {
		shown[i] = a.mask(arg)
	}
	return shown
}

// arguments masks one argument after the other.
type arguments struct {
	secretNext bool // the last one was a flag whose value is a secret
	doubtNext  bool // or may be one, unless it is a number
	// flags are those whose values are secrets, of the commands so far that have any.
	flags string
}

// commands are those with short flags whose values are secrets.
var commands = map[string]string{
	"sshpass": "-p", "redis-cli": "-a", "valkey-cli": "-a", "ldapsearch": "-w", "ldapmodify": "-w", "ldapadd": "-w", "ldapwhoami": "-w",
	"mosquitto_pub": "-P", "mosquitto_sub": "-P", "mysql": "-p…", "mysqldump": "-p…", "mysqladmin": "-p…", "mariadb": "-p…", "mariadb-dump": "-p…", //nolint:misspell // a program's name
}

// note looks whether an argument is a command with such flags.
func (a *arguments) note(arg string) {
	if flags := commands[arg[strings.LastIndexByte(arg, '/')+1:]]; flags != "" && !strings.Contains(a.flags, flags) {
		a.flags += flags + " "
	}
}

// isGlued reports whether an argument is a flag together with its value, which is a secret.
func (a *arguments) isGlued(arg string) bool {
	if !strings.HasPrefix(arg, "-p") || len(arg) == 2 {
		return false
	}
	return strings.Contains(a.flags, "-p") || strings.Trim(arg[2:], "abcdefghijklmnopqrstuvwxyz-") != ""
}

// isNext reports whether what follows an argument is to be hidden, if it is no string.
func (a *arguments) isNext() bool {
	secret := a.secretNext || a.doubtNext
	a.secretNext, a.doubtNext = false, false
	return secret
}

func (a *arguments) mask(arg string) string {
	if shown, known := a.flag(arg); known {
		return shown
	}
	name, value, assigned := strings.Cut(arg, "=")
	if assigned && !strings.ContainsAny(name, " \t\n") {
		return name + "=" + command(value)
	}
	return command(arg)
}

// flag masks an argument that is a flag, the value of one, or an assignment. It reports
// false for any other, whose secrets are not known by where they are.
func (a *arguments) flag(arg string) (shown string, known bool) {
	secret, doubt := a.secretNext, a.doubtNext
	a.secretNext, a.doubtNext = false, false
	if secret && arg != "" || doubt && strings.Trim(arg, "0123456789.:/") != "" {
		return Mask, true
	}
	name, value, assigned := strings.Cut(arg, "=")
	if strings.ContainsAny(name, " \t\n") {
		return "", false
	}
	isFlag := strings.HasPrefix(name, "-")
	switch {
	case assigned && value != "" && IsSecretKey(name):
		return name + "=" + Mask, true
	case isFlag && !assigned && (IsSecretKey(name) || strings.Contains(a.flags, name+" ")):
		a.secretNext = true
		return arg, true
	case name == "-p" || name == "-u" || name == "--user":
		a.doubtNext = !assigned
		if assigned {
			return name + "=" + Mask, true
		}
		return arg, true
	case a.isGlued(name):
		return "-p" + Mask, true
	case !assigned:
		a.note(arg)
	}
	return "", false
}

// command returns what may be a script as it may be shown.
func command(s string) string {
	if strings.ContainsAny(s, " \t\n") {
		s = script(s)
	}
	return random(Text(s))
}

// Env returns an entry of an environment, NAME=value, as it may be shown: its name. What
// has no name is hidden as a whole.
func Env(entry string) string {
	name, value, ok := strings.Cut(entry, "=")
	switch {
	case entry == "", ok && value == "":
		return entry
	case ok:
		return name + "=" + Mask
	}
	return Mask
}
