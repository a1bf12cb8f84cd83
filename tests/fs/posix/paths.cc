// Every call that takes a path, and every path that leads nowhere.
#include "checks.h"

#include <sys/statfs.h>
#include <sys/time.h>
#include <sys/xattr.h>

namespace cloche::posix {
namespace {

// What a call does with the last name of its path.
enum class Does : uint8_t { kFollows, kReads, kRemoves, kMakes };
struct Call {
  const char* name;
  Does does;
  int (*act)(const char* path);
};

// "file" is one that is there: the other side of those with two paths.
constexpr Call kCalls[] = {
    {"chmod", Does::kFollows, [](const char* path) { return err(::chmod(path, 0600)); }},
    {"chown", Does::kFollows, [](const char* path) { return err(::chown(path, -1u, -1u)); }},
    {"truncate", Does::kFollows, [](const char* path) { return err(::truncate(path, 0)); }},
    {"utimes", Does::kFollows, [](const char* path) { return err(::utimes(path, nullptr)); }},
    {"stat", Does::kFollows,
     [](const char* path) {
       struct stat out;
       return err(::stat(path, &out));
     }},
    {"statfs", Does::kFollows,
     [](const char* path) {
       struct statfs out;
       return err(::statfs(path, &out));
     }},
    {"access", Does::kFollows, [](const char* path) { return err(::access(path, F_OK)); }},
    {"chdir", Does::kFollows, [](const char* path) { return err(::chdir(path)); }},
    {"open", Does::kFollows, [](const char* path) { return err(::open(path, O_RDONLY)); }},
    {"open to truncate", Does::kFollows, [](const char* path) { return err(::open(path, O_RDWR | O_TRUNC)); }},
    {"getxattr", Does::kFollows, [](const char* path) { return err(::getxattr(path, "user.x", nullptr, 0)); }},
    {"lchown", Does::kReads, [](const char* path) { return err(::lchown(path, -1u, -1u)); }},
    {"readlink", Does::kReads,
     [](const char* path) {
       char out[1];
       return err(::readlink(path, out, 1));
     }},
    {"link from", Does::kReads, [](const char* path) { return err(::link(path, "linked")); }},
    {"unlink", Does::kRemoves, [](const char* path) { return err(::unlink(path)); }},
    {"rmdir", Does::kRemoves, [](const char* path) { return err(::rmdir(path)); }},
    {"rename from", Does::kRemoves, [](const char* path) { return err(::rename(path, "renamed")); }},
    {"rename to", Does::kMakes, [](const char* path) { return err(::rename("file", path)); }},
    {"link to", Does::kMakes, [](const char* path) { return err(::link("file", path)); }},
    {"symlink", Does::kMakes, [](const char* path) { return err(::symlink("target", path)); }},
    {"mkdir", Does::kMakes, [](const char* path) { return err(::mkdir(path, 0755)); }},
    {"mkfifo", Does::kMakes, [](const char* path) { return err(::mkfifo(path, 0644)); }},
    {"mknod", Does::kMakes, [](const char* path) { return err(::mknod(path, S_IFREG | 0644, 0)); }},
    {"create", Does::kMakes, [](const char* path) { return err(::open(path, O_CREAT | O_WRONLY, 0644)); }},
    {"create alone", Does::kMakes, [](const char* path) { return err(::open(path, O_CREAT | O_EXCL | O_RDWR, 0644)); }},
};

bool follows(const Call& call) { return call.does == Does::kFollows; }
bool makes(const Call& call) { return call.does == Does::kMakes; }
bool changes_directory(const Call& call) { return makes(call) || call.does == Does::kRemoves; }

void every_call(Checks& check, const std::string& where, const char* path, int expected) {
  for (const Call& call : kCalls) check.is(call.name + where, call.act(path), expected);
}

void not_a_directory(Checks& check) {
  put("file", "");
  for (Type type : check.types()) {
    if (type == Type::kDirectory || type == Type::kSymlink) continue;
    make(type, "n");
    every_call(check, std::string(" below a ") + name_of(type), "n/x", ENOTDIR);
    remove_any("n");
  }
}

void missing(Checks& check) {
  put("file", "");
  every_call(check, " in a missing directory", "none/n", ENOENT);
  every_call(check, " of an empty path", "", ENOENT);
  ::symlink("none", "dangling");
  every_call(check, " below a dangling link", "dangling/n", ENOENT);
  for (const Call& call : kCalls) {
    if (!makes(call)) check.is(std::string(call.name) + " of nothing", call.act("none"), ENOENT);
    if (follows(call)) check.is(std::string(call.name) + " of a dangling link", call.act("dangling"), ENOENT);
  }
}

void loops(Checks& check) {
  put("file", "");
  ::symlink("there", "back");
  ::symlink("back", "there");
  for (const char* below : {"back/n", "there/n"}) every_call(check, std::string(" of ") + below, below, ELOOP);
  for (const Call& call : kCalls)
    if (follows(call)) check.is(std::string(call.name) + " of the loop", call.act("back"), ELOOP);
}

void too_long(Checks& check) {
  put("file", "");
  every_call(check, " of a name of 256 bytes", long_name(256).c_str(), ENAMETOOLONG);
  every_call(check, " below a name of 256 bytes", (long_name(256) + "/n").c_str(), ENAMETOOLONG);
  std::string path;
  while (path.size() < 4096) path += "./";
  every_call(check, " of a path of 4096 bytes", path.c_str(), ENAMETOOLONG);
}

void bad_address(Checks& check) {
  put("file", "");
  every_call(check, " of no path", nullptr, EFAULT);
  every_call(check, " of a path out of reach", reinterpret_cast<const char*>(0xdeadc0de), EFAULT);
}

// One's own directory without the right to search it, and one without the right to write to it.
void closed_directories(Checks& check) {
  ::chmod(".", 0777);
  ::mkdir("dir", 0755);
  for (const char* name : {"file", "dir/n"}) put(name, "");
  for (const char* name : {"file", "dir", "dir/n"}) ::chown(name, kUser, kUser);
  auto refused = [&](const Call& call, const char* how) {
    std::string what = std::string(call.name) + " in a directory that is not to be " + how;
    Moment directory("dir"), file("dir/n");
    as({.uid = kUser}, [&] { check.is(what, call.act(makes(call) ? "dir/new" : "dir/n"), EACCES); });
    check.text("both", directory.changed() + " " + file.changed(), "none none");
  };
  ::chmod("dir", 0644);
  for (const Call& call : kCalls) refused(call, "searched");
  ::chmod("dir", 0555);
  for (const Call& call : kCalls)
    // rmdir() is refused as well, ahead of what it thinks of files.
    if (changes_directory(call)) refused(call, "changed");
}

}  // namespace

std::vector<Case> path_cases() {
  return {{"paths_not_a_directory", Needs::kNothing, not_a_directory},
          {"paths_missing", Needs::kNothing, missing},
          {"paths_loops", Needs::kNothing, loops},
          {"paths_too_long", Needs::kNothing, too_long},
          {"paths_bad_address", Needs::kNothing, bad_address},
          {"paths_closed_directories", Needs::kRoot, closed_directories}};
}

}  // namespace cloche::posix
