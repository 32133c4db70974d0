// Package docs holds the documentation to what the programs do. It has nothing but tests: of every page's links, of its
// commands, which run in a sandbox or carry a mark that says what they need, of its configurations, and of the messages that
// the guide for troubleshooting explains.
//
// A command that cannot run in a test is marked on the line before its block, where no reader sees it:
//
//	<!-- needs: account -->
//
// Texts do not belong here: they are in templates/, examples/ and the README.
package docs
