// Runs /bin/true in a sandbox that runs, COUNT times, as a program that uses the library does, and prints how many
// nanoseconds each took: a line for each.
//
//   exec_job NAME COUNT
#include <chrono>
#include <cstdlib>
#include <iostream>

#include "cloche/sandbox.h"

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  auto sandbox = cloche::Sandbox::open(argv[1]);
  if (!sandbox) {
    std::cerr << sandbox.error().message() << "\n";
    return 1;
  }
  for (int left = std::atoi(argv[2]); left > 0; --left) {
    auto began = Clock::now();
    auto exec = sandbox->exec({.arguments = {"/bin/true"}, .streams = {-1, -1, -1}}, 60s);
    auto outcome = exec ? exec->wait() : std::unexpected(exec.error());
    auto took = std::chrono::nanoseconds(Clock::now() - began);
    if (!outcome || outcome->status.by != cloche::EndedBy::kExit || outcome->status.value != 0) {
      std::cerr << (outcome ? outcome->text : outcome.error().message()) << "\n";
      return 1;
    }
    std::cout << took.count() << "\n";
  }
}
