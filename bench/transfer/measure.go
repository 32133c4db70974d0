package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"text/tabwriter"
	"time"
)

// measurement is one run of a client.
type measurement struct {
	wall, user, system time.Duration
	memory             int64 // peak resident set, in KiB
}

func measure(ctx context.Context, c client, dir string) (measurement, error) {
	cmd := exec.CommandContext(ctx, c.args[0], c.args[1:]...) // #nosec G204 -- our own arguments
	cmd.Env = append(os.Environ(), c.env...)
	output, err := os.Create(filepath.Join(dir, "output")) // a pipe would keep us busy beside the client
	if err != nil {
		return measurement{}, err
	}
	defer func() { _ = output.Close() }()
	cmd.Stdout, cmd.Stderr = output, output
	start := time.Now()
	err = cmd.Run()
	m := measurement{wall: time.Since(start)}
	if err != nil {
		text, _ := os.ReadFile(output.Name())
		return m, fmt.Errorf("%w: %.500s", err, text)
	}
	m.user, m.system = cmd.ProcessState.UserTime(), cmd.ProcessState.SystemTime()
	m.memory = peakMemory(cmd.ProcessState)
	return m, nil
}

func median[T int64 | time.Duration](of []measurement, value func(measurement) T) T {
	var all []T
	for _, m := range of {
		all = append(all, value(m))
	}
	slices.Sort(all)
	return all[len(all)/2]
}

func (t *task) print(results map[string][]measurement) {
	fmt.Printf("\n%s\n", t.name)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(w, "client\twall s\tmin\tmax\tuser+sys s\tMiB\twall: ours/its\tCPU: ours/its\t")
	us := results[ours]
	for _, c := range t.clients {
		r := results[c.name]
		if len(r) == 0 {
			continue
		}
		wall := median(r, func(m measurement) time.Duration { return m.wall })
		cpu := median(r, func(m measurement) time.Duration { return m.user + m.system })
		walls := make([]time.Duration, len(r))
		for i, m := range r {
			walls[i] = m.wall
		}
		ratios := "\t"
		if len(us) > 0 {
			ratios = fmt.Sprintf("%.2f\t%.2f", float64(median(us, func(m measurement) time.Duration { return m.wall }))/float64(wall),
				float64(median(us, func(m measurement) time.Duration { return m.user + m.system }))/float64(cpu))
		}
		_, _ = fmt.Fprintf(w, "%s\t%.3f\t%.3f\t%.3f\t%.3f\t%d\t%s\t\n", c.name, wall.Seconds(), slices.Min(walls).Seconds(), slices.Max(walls).Seconds(),
			cpu.Seconds(), median(r, func(m measurement) int64 { return m.memory })>>10, ratios)
	}
	_ = w.Flush()
}
