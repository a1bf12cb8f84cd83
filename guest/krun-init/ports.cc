#include "guest/krun-init/ports.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>

namespace cloche::krun_init {
namespace {

struct Stream {
  const char* name;
  int init::CommandStreams::* member;
  int flags;
};
constexpr Stream kStreams[] = {{"krun-stdin", &init::CommandStreams::input, O_RDONLY},
                               {"krun-stdout", &init::CommandStreams::output, O_WRONLY},
                               {"krun-stderr", &init::CommandStreams::error, O_WRONLY}};

std::string first_line(const std::filesystem::path& path) {
  std::string line;
  std::getline(std::ifstream(path), line);
  return line;
}

}  // namespace

Result<init::CommandStreams> open_streams(const std::string& names, const std::string& devices) {
  init::CommandStreams streams{STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO};
  std::error_code none;  // A kernel without such ports.
  for (const auto& entry : std::filesystem::directory_iterator(names, none)) {
    std::string name = first_line(entry.path() / "name");
    const auto* stream = std::ranges::find_if(kStreams, [&](const Stream& each) { return name == each.name; });
    if (stream == std::end(kStreams)) continue;
    std::string device = devices + "/" + entry.path().filename().string();
    int port = ::open(device.c_str(), stream->flags | O_NOCTTY | O_CLOEXEC);
    if (port < 0) return init::failed("open port " + name);
    streams.*stream->member = port;
  }
  return streams;
}

void close_streams(const init::CommandStreams& streams) {
  for (int stream : {streams.input, streams.output, streams.error})
    if (stream > STDERR_FILENO) ::close(stream);
}

}  // namespace cloche::krun_init
