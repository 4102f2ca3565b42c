// Command small is built for another architecture in a moment.
package main

func main() { println("small") }
