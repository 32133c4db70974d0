// Package progress draws a transfer's progress on a terminal.
package progress

import (
	"io"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// Bar shows bytes of a total on one line. The nil *Bar shows nothing.
type Bar struct {
	container *mpb.Progress
	bar       *mpb.Bar
}

// New draws on w, which is a terminal. total is in bytes; 0: not known, or not yet.
func New(w io.Writer, name string, total int64) *Bar {
	p := mpb.New(mpb.WithOutput(w), mpb.WithAutoRefresh(), mpb.WithWidth(80))
	bar := p.AddBar(0, mpb.PrependDecorators(decor.Name(name+" "), decor.CountersKibiByte("% .1f / % .1f ")),
		mpb.AppendDecorators(decor.AverageSpeed(decor.SizeB1024(0), "% .1f")))
	b := &Bar{container: p, bar: bar}
	b.Total(total)
	return b
}

// Total says how many bytes there will be.
func (b *Bar) Total(bytes int64) {
	if b != nil && bytes > 0 {
		b.bar.SetTotal(bytes, false)
	}
}

// Add counts bytes; negative ones are taken back.
func (b *Bar) Add(bytes int64) {
	if b != nil {
		b.bar.IncrInt64(bytes)
	}
}

// Done takes the bar off the terminal.
func (b *Bar) Done() {
	if b != nil {
		b.bar.Abort(true)
		b.container.Wait()
	}
}
