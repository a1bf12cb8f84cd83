// sandbox_files NAME WORD ARGUMENT...: one call of cloche/files.h on the sandbox NAME. Contents go by standard input
// and output; an error is "ERRNO MESSAGE" on standard error and exit code 1.
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "cloche/files.h"

namespace cloche {
namespace {

using Words = std::vector<std::string>;

FileWrite how(const std::string& mode) {
  FileWrite write{.permissions = 0640};
  if (mode == "append") write.mode = FileWriteMode::kAppend;
  if (mode == "create") write.mode = FileWriteMode::kCreate;
  if (mode == "other-owner") write.owner = User{.uid = 5, .gid = 6};
  return write;
}

std::string line_of(const FileStatus& each) {
  return fmt::format("{} {} {:o} {}:{} {} {} {}\n", each.name, static_cast<int>(each.kind), each.permissions, each.uid,
                     each.gid, each.size, each.links, each.target);
}

template <typename T>
Result<void> show(const Result<T>& result, const std::string& text) {
  if (!result) return std::unexpected(result.error());
  fmt::print("{}", text);
  return {};
}

Result<void> list(const Files& files, const std::string& path) {
  auto entries = files.list(path);
  std::string text;
  for (size_t i = 0; entries && i < entries->size(); ++i) text += line_of((*entries)[i]);
  return show(entries, text);
}

Result<void> act(const Files& files, const std::string& word, const Words& given) {
  const std::string& path = given[0];
  auto number = [&](size_t at) { return std::strtoull(given[at].c_str(), nullptr, 10); };
  if (word == "read") {
    auto text = files.read(path, number(1));
    return show(text, text.value_or(""));
  }
  if (word == "read-part") {
    std::fflush(stdout);
    return show(files.read_to(STDOUT_FILENO, path, {number(1), number(2)}), "");
  }
  if (word == "write") return files.write_from(STDIN_FILENO, path, how(given[1]));
  if (word == "write-text") return files.write(path, given[1], {}, std::chrono::seconds(20));
  if (word == "half") {  // A source that fails in the middle.
    bool first = true;
    return files.write(path, [&]() -> Result<std::span<const std::byte>> {
      if (!std::exchange(first, false)) return fail(ErrorCode::kHost, "the source is gone");
      return std::as_bytes(std::span(given[1]));
    });
  }
  if (word == "status") {
    auto status = files.status(path);
    return show(status, status ? line_of(*status) : "");
  }
  if (word == "list") return list(files, path);
  if (word == "make") return files.make_directory(path, 0750);
  if (word == "make-all") return files.make_directory(path, 0750, MissingParents::kMade);
  if (word == "move") return files.move(path, given[1]);
  if (word == "remove") return files.remove(path);
  if (word == "remove-all") return files.remove(path, Removal::kTree);
  return fail(ErrorCode::kInvalidArgument, "no such word");
}

}  // namespace
}  // namespace cloche

int main(int argc, char** argv) {
  if (argc < 4) return 2;
  auto sandbox = cloche::Sandbox::open(argv[1]);
  auto done = sandbox ? cloche::act(cloche::Files(*sandbox), argv[2], {argv + 3, argv + argc})
                      : std::unexpected(sandbox.error());
  if (done) return 0;
  fmt::print(stderr, "{} {}\n", done.error().sys_errno, done.error().message());
  return 1;
}
