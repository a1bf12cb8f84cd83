// A workspace for an agent: a sandbox that stays, entered again and again, with one directory that outlives it.
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <stdexcept>

#include "cloche/sandbox.h"

using namespace std::chrono_literals;

template <typename T>
T must(cloche::Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message());
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

// What a shell command in the sandbox has written.
std::string ask(const cloche::Sandbox& sandbox, const std::string& script) {
  std::string text;
  cloche::Exec exec = must(sandbox.exec({
      .arguments = {"sh", "-c", script},
      .on_output =
          [&](std::span<const std::byte> bytes) {
            text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
          },
      .timeout = 60s,
  }));
  must(exec.wait());
  return text;
}

void work(cloche::Sandbox& sandbox) {
  must(sandbox.start());
  std::ofstream("list.txt") << "pears\napples\nplums\n";
  must(sandbox.copy_in("list.txt", "/tmp"));
  std::cout << "lines in it: " << ask(sandbox, "wc -l < /tmp/list.txt");

  ask(sandbox, "sort /tmp/list.txt | tee /tmp/sorted.txt > /kept/sorted.txt");
  must(sandbox.copy_out("/tmp/sorted.txt", "sorted.txt"));
  std::string first;
  std::getline(std::ifstream("sorted.txt"), first);
  std::cout << "first of them, sorted: " << first << "\n";

  must(sandbox.stop());
  must(sandbox.start());  // A new guest, as fresh as the first;
  std::cout << "in /tmp: " << ask(sandbox, "ls /tmp | wc -l") << "in /kept: " << ask(sandbox, "ls /kept");
}

int main() try {
  std::filesystem::create_directories("kept");
  auto sandbox = must(cloche::Sandbox::create({.vm = {.shares = {{.host_path = "kept", .guest_path = "/kept"}}}}));
  work(sandbox);
  must(sandbox.kill());  // Until then it is there, whatever becomes of this program: `cloche ps` shows it.
  must(sandbox.remove());
} catch (const std::exception& error) {
  std::cerr << "agent_workspace: " << error.what() << "\n";
  return 1;
}
