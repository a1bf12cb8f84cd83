// What kelpie's own guest program does, from its protocol's description: two programs, as there are two generations.
// The older one listens on vsock port 9001 and serves any number of connections; the newer one (KELPIE_CONNECTS)
// connects to the host, 30 times at most with 100 ms between, serves that one connection and ends. Both pass over cwd,
// env and timeout_ms, know no shutdown, and call a signal exit code -1.
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/vm_sockets.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

namespace {

using nlohmann::json;

constexpr uint32_t kMostRequest = 10'485'760;
constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

std::string to_base64(const std::string& bytes) {
  std::string text;
  unsigned bits = 0, count = 0;
  for (unsigned char byte : bytes) {
    bits = bits << 8 | byte;
    for (count += 8; count >= 6; count -= 6) text += kDigits[bits >> (count - 6) & 63];
  }
  if (count > 0) text += kDigits[bits << (6 - count) & 63];
  while (text.size() % 4 != 0) text += '=';
  return text;
}

std::string from_base64(const std::string& text) {
  std::string bytes;
  unsigned bits = 0, count = 0;
  for (char digit : text) {
    if (digit == '=') break;
    size_t value = kDigits.find(digit);
    if (value == std::string_view::npos) throw std::runtime_error("Invalid base64");
    bits = bits << 6 | static_cast<unsigned>(value);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    bytes += static_cast<char>(bits >> count);
  }
  return bytes;
}

[[noreturn]] void become(const std::vector<std::string>& words, const std::array<int, 3>& streams) {
  for (int each = 0; each < 3; ++each) ::dup2(streams[static_cast<size_t>(each)], each);
  std::vector<char*> argv;
  for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  ::execvp(argv[0], argv.data());
  ::_exit(127);
}

json run(const json& request) {
  std::vector<std::string> words{request.at("command")};
  for (const json& each : request.at("args")) words.push_back(each);
  int input[2], output[2], error[2];
  for (int* ends : {input, output, error})
    if (::pipe2(ends, O_CLOEXEC) < 0) throw std::runtime_error("pipe");
  pid_t child = ::fork();
  if (child == 0) become(words, {input[0], output[1], error[1]});
  for (int fd : {input[0], output[1], error[1]}) ::close(fd);
  std::string text = request.contains("stdin") && request["stdin"].is_string() ? request["stdin"] : json("");
  if (!text.empty() && ::write(input[1], text.data(), text.size()) < 0) text.clear();
  ::close(input[1]);
  std::array<std::string, 2> said;
  std::array<pollfd, 2> polls{{{output[0], POLLIN, 0}, {error[0], POLLIN, 0}}};
  while (polls[0].fd >= 0 || polls[1].fd >= 0) {
    ::poll(polls.data(), polls.size(), -1);
    for (size_t each = 0; each < 2; ++each) {
      std::array<char, 65536> buffer;
      ssize_t got = polls[each].revents != 0 ? ::read(polls[each].fd, buffer.data(), buffer.size()) : 1;
      if (polls[each].revents == 0) continue;
      if (got > 0) said[each].append(buffer.data(), static_cast<size_t>(got));
      if (got <= 0) ::close(std::exchange(polls[each].fd, -1));
    }
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return {{"type", "exec_result"}, {"exit_code", code}, {"stdout", said[0]}, {"stderr", said[1]}};
}

json answer(const json& request) {
  std::string type = request.at("type");
  if (type == "ping") return {{"type", "pong"}};
  if (type == "exec") return run(request);
  std::string path = request.value("path", "");
  if (type == "read_file") {
    std::ifstream file(path, std::ios::binary);
    if (!file) throw std::runtime_error("Failed to read file");
    std::ostringstream contents;
    contents << file.rdbuf();
    return {{"type", "file_contents"}, {"contents", to_base64(contents.str())}};
  }
  if (type == "write_file") {
    std::ofstream file(path, std::ios::binary);
    file << from_base64(request.at("contents"));
    if (!file.flush()) throw std::runtime_error("Failed to write file");
    return {{"type", "success"}};
  }
  if (type == "list_dir") {
    json names = json::array();
    for (const auto& entry : std::filesystem::directory_iterator(path)) names.push_back(entry.path().filename());
    return {{"type", "directory_listing"}, {"files", names}};
  }
  throw std::runtime_error("unknown variant `" + type + "`");
}

bool read_all(int fd, void* to, size_t size) {
  for (auto* at = static_cast<char*>(to); size > 0;) {
    ssize_t got = ::read(fd, at, size);
    if (got <= 0) return false;
    at += got;
    size -= static_cast<size_t>(got);
  }
  return true;
}

bool write_all(int fd, const std::string& bytes) {
  for (size_t done = 0; done < bytes.size();) {
    ssize_t put = ::write(fd, bytes.data() + done, bytes.size() - done);
    if (put <= 0) return false;
    done += static_cast<size_t>(put);
  }
  return true;
}

bool serve_one(int fd) {
  uint32_t size = 0;
  if (!read_all(fd, &size, sizeof size) || ntohl(size) > kMostRequest) return false;
  std::string text(ntohl(size), '\0');
  if (!read_all(fd, text.data(), text.size())) return false;
  std::string reply;
  try {
    reply = answer(json::parse(text)).dump(-1, ' ', false, json::error_handler_t::replace);
  } catch (const std::exception& error) {
    reply = json{{"type", "error"}, {"message", error.what()}}.dump(-1, ' ', false, json::error_handler_t::replace);
  }
  size = htonl(static_cast<uint32_t>(reply.size()));
  return write_all(fd, std::string(reinterpret_cast<const char*>(&size), sizeof size)) && write_all(fd, reply);
}

void serve(int fd) {
  while (serve_one(fd)) {
  }
  ::close(fd);
}

uint32_t wanted_port() {
  const char* text = std::getenv("KELPIE_GUEST_VSOCK_PORT");
  char* end = nullptr;
  unsigned long port = text == nullptr ? 0 : std::strtoul(text, &end, 10);
  return text == nullptr || *text == '\0' || *end != '\0' ? 9001 : static_cast<uint32_t>(port);
}

int vsock() { return ::socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0); }

sockaddr_vm address(uint32_t cid) {
  sockaddr_vm made{};
  made.svm_family = AF_VSOCK;
  made.svm_cid = cid;
  made.svm_port = wanted_port();
  return made;
}

}  // namespace

#ifdef KELPIE_CONNECTS
int main() {
  sockaddr_vm host = address(VMADDR_CID_HOST);
  for (int tries = 0; tries < 30; ++tries) {
    int socket = vsock();
    if (::connect(socket, reinterpret_cast<sockaddr*>(&host), sizeof host) == 0) {
      serve(socket);
      return 0;
    }
    ::close(socket);
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  return 1;
}
#else
int main() {
  sockaddr_vm any = address(VMADDR_CID_ANY);
  int listener = vsock();
  if (::bind(listener, reinterpret_cast<sockaddr*>(&any), sizeof any) < 0 || ::listen(listener, 16) < 0) return 1;
  for (;;) {
    int connection = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (connection >= 0) std::thread(serve, connection).detach();
  }
}
#endif
