package masking

import "strings"

// Args returns the arguments of a command as they may be shown:
//
//	--password x  --token=x  -px9  API_KEY=x  -u name:x    x is hidden
//	a long word of letters and digits without a pattern    is hidden
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
}

func (a *arguments) mask(arg string) string {
	secret, doubt := a.secretNext, a.doubtNext
	a.secretNext, a.doubtNext = false, false
	if secret && arg != "" || doubt && strings.Trim(arg, "0123456789.:/") != "" {
		return Mask
	}
	name, value, assigned := strings.Cut(arg, "=")
	if strings.ContainsAny(name, " \t\n") { // a script
		return random(Text(arg))
	}
	isFlag := strings.HasPrefix(name, "-")
	switch {
	case assigned && value != "" && IsSecretKey(name):
		return name + "=" + Mask
	case isFlag && !assigned && IsSecretKey(name):
		a.secretNext = true
		return arg
	case name == "-p" || name == "-u" || name == "--user":
		a.doubtNext = !assigned
		if assigned {
			return name + "=" + Mask
		}
		return arg
	case strings.HasPrefix(name, "-p") && strings.Trim(name[2:], "abcdefghijklmnopqrstuvwxyz-") != "":
		return "-p" + Mask
	case assigned:
		return name + "=" + random(Text(value))
	}
	return random(Text(arg))
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
