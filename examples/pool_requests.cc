// Answers requests as they come, several at once, each in a sandbox that nobody has used before: while one is busy, the
// pool has the next one ready.
#include <chrono>
#include <future>
#include <iostream>
#include <stdexcept>

#include "cloche/pool.h"

using namespace std::chrono_literals;

template <typename T>
T must(cloche::Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message());
  return std::move(*result);
}

// What the expression is, as Python sees it; it may be anybody's, and do anything.
std::string answer(cloche::Pool& pool, const std::string& expression) {
  cloche::Lease lease = must(pool.acquire(2min));  // Goes back at the end of this function, and is replaced.
  std::string text;
  auto exec = must(lease.sandbox().exec({
      .arguments = {"python3", "-c", "import sys; print(eval(sys.argv[1]), end='')", expression},
      .on_output =
          [&](std::span<const std::byte> bytes) {
            text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
          },
      .on_error = [](std::span<const std::byte>) {},
      .timeout = 60s,
  }));
  auto outcome = must(exec.wait());
  if (outcome.timed_out) return "took too long";
  if (outcome.status.by == cloche::EndedBy::kExit && outcome.status.value == 0) return text;
  return "no answer";
}

int main() try {
  auto pool = must(cloche::Pool::create({.sandbox = {.vm = {.memory_mib = 256}}, .min = 1, .max = 2}));

  const std::vector<std::string> requests{"6 * 7", "sum(range(100))", "1 / 0", "open('/tmp/mine', 'w').write('hello')",
                                          "__import__('os').path.exists('/tmp/mine')"};
  std::vector<std::future<std::string>> answers;
  for (const std::string& request : requests)
    answers.push_back(std::async(std::launch::async, [&] { return answer(pool, request); }));

  for (size_t i = 0; i < requests.size(); ++i) std::cout << requests[i] << " -> " << answers[i].get() << "\n";
} catch (const std::exception& error) {
  std::cerr << "pool_requests: " << error.what() << "\n";
  return 1;
}
