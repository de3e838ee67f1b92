// Package test runs the program as users do: the real binary, over the network, with the official clients.
//
// It is a module of its own, so that what only tests need stays out of the product's go.mod. TestMain builds the
// binary once; every test starts processes of its own on free ports and folders of its own. apps/ holds the apps
// they serve, node/ the suites that need JavaScript.
package test
