package plugins

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path"
	"path/filepath"
)

// FilesDigest identifies all files that [Load] would read of sources, by their names and
// content: as long as it is the same, so is what Load makes of them. Nothing is compiled.
// What is wrong with a configuration is an error here as it is there.
func FilesDigest(sources ...Source) (string, error) {
	digest := sha256.New()
	for _, s := range sources {
		err := s.eachFile(func(name string, content []byte) {
			sum := sha256.Sum256(content)
			fmt.Fprintf(digest, "%q %q %x\n", s.path, name, sum)
		})
		if err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(digest.Sum(nil)), nil
}

// Dirs returns the directories on disk that have files of sources.
func Dirs(sources ...Source) []string {
	var dirs []string
	for _, s := range sources {
		if s.fsys != nil {
			continue
		}
		dirs = append(dirs, filepath.Dir(s.path))
		_ = s.eachFile(func(name string, _ []byte) { // those that are not there yet have none
			dirs = append(dirs, filepath.Join(filepath.Dir(s.path), filepath.FromSlash(path.Dir(name))))
		})
	}
	return dirs
}

// eachFile calls see with the configuration and the modules that it names. Names are
// relative to the directory of the configuration.
func (s Source) eachFile(see func(name string, content []byte)) (err error) {
	fsys, name, done, err := s.open()
	if err != nil {
		return fmt.Errorf("validators %s: %w", s, err)
	}
	defer func() { err = errors.Join(err, done()) }()
	text, err := readFile(fsys, name, maxConfigBytes)
	if err != nil {
		return fmt.Errorf("%s: %w", s, err)
	}
	see(path.Base(name), text)
	configs, problems := readConfig(fsys, name)
	for _, c := range configs {
		module, err := readFile(fsys, path.Join(path.Dir(name), c.module), maxModuleBytes)
		if err != nil {
			problems = append(problems, fmt.Errorf("%s.module: %w", c.at, err))
			continue
		}
		see(path.Clean(c.module), module)
	}
	for i, problem := range problems {
		problems[i] = fmt.Errorf("%s: %w", s, problem)
	}
	return errors.Join(problems...)
}
