package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/chatd-dev/chatd/cmd/chatd/config"
)

func (p *process) configCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Write, check or show the configuration",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return errors.New("config: want init, check or show")
		},
	}
	cmd.AddCommand(p.configInitCommand(), p.configCheckCommand(), p.configShowCommand())
	return cmd
}

func (p *process) configInitCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "init [FILE | -]",
		Short: "Write a file with every setting, its default and a comment; never over another",
		Long:  "Writes chatd.yaml unless another FILE is named; - writes to standard output. A file that is there stays as it is.",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			name := "chatd.yaml"
			if len(args) == 1 {
				name = args[0]
			}
			if name == "-" {
				_, err := p.stdout.Write(config.Example())
				return wrapRun(err)
			}
			err := writeNew(name, config.Example())
			if errors.Is(err, fs.ErrExist) {
				return &runError{fmt.Errorf("%s is there already; it stays as it is", name)}
			}
			if err != nil {
				return &runError{err}
			}
			fmt.Fprintf(p.stderr, "wrote %s\nnext: chatd --config %s\n", name, name)
			return nil
		},
	}
}

func (p *process) configCheckCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check [FILE]",
		Short: "Judge the configuration without a start; exit status 2 if it is wrong",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				if err := cmd.Flags().Set("config", args[0]); err != nil {
					return err
				}
			}
			cfg, origins, err := p.load(cmd)
			if err != nil {
				return err
			}
			if err := cfg.CheckFiles(origins); err != nil {
				return err
			}
			fmt.Fprintln(p.stdout, "ok")
			return nil
		},
	}
}

func (p *process) configShowCommand() *cobra.Command {
	var origin bool
	cmd := &cobra.Command{
		Use:   "show",
		Short: "Print the configuration that holds, secrets hidden",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, origins, err := p.load(cmd)
			if err != nil {
				return err
			}
			if !origin {
				origins = nil
			}
			_, err = p.stdout.Write(config.Show(cfg, origins))
			return wrapRun(err)
		},
	}
	cmd.Flags().BoolVar(&origin, "origin", false, "say where each value comes from")
	return cmd
}

// writeNew writes a file that must not be there yet.
func writeNew(name string, text []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Close())
}

func wrapRun(err error) error {
	if err == nil {
		return nil
	}
	return &runError{err}
}
