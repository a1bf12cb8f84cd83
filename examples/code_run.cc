// Runs a piece of Python that nobody has read, in a microVM that is there for it alone, and shows what came of it.
#include <chrono>
#include <iostream>

#include "cloche/provider.h"

using namespace std::chrono_literals;

constexpr const char* kUntrusted = R"(
import os, sys
print("the answer is", 6 * 7)
print("users here:", len(os.listdir("/home")), file=sys.stderr)
sys.exit(3)
)";

int main() {
  auto provider = cloche::Provider::create({.mode = cloche::ProviderMode::kOneShot});
  if (!provider) {
    std::cerr << provider.error().message() << "\n";
    return 1;
  }

  auto result = provider->exec({.command = "python3",
                                .arguments = {"-"},  // Its program comes as input.
                                .input = kUntrusted,
                                .timeout = 60s,
                                .output_limit = 4096});
  if (!result) {
    std::cerr << result.error().message() << "\n";
    return 1;
  }

  std::cout << "it wrote: " << result->output << (result->output_cut ? "...\n" : "");
  std::cout << "and to its standard error: " << result->error_output;
  if (result->timed_out)
    std::cout << "it did not come to an end\n";
  else if (result->signal)
    std::cout << "signal " << *result->signal << " ended it\n";
  else
    std::cout << "it exited with " << result->exit_code << "\n";
}
