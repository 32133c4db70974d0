package daemon

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/windows"
)

// While somebody has a file open that does not share it for deletion, Windows lets nobody replace it.
const (
	replaceTries = 40
	replacePause = 50 * time.Millisecond
)

// replace puts a file in another's place, and waits up to two seconds for readers to be done with the old one.
func replace(from, to string) error {
	for try := 1; ; try++ {
		err := os.Rename(from, to)
		held := errors.Is(err, windows.ERROR_ACCESS_DENIED) || errors.Is(err, windows.ERROR_SHARING_VIOLATION)
		if !held || try == replaceTries {
			return err
		}
		time.Sleep(replacePause)
	}
}
