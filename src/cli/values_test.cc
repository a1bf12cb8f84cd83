#include "cli/values.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

namespace cloche::cli {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(Values, Disks) {
  Disk disk = parse_disk("/a:b.img").value();
  EXPECT_EQ(disk.path, "/a:b.img");
  EXPECT_EQ(disk.access, Access::kReadWrite);
  EXPECT_EQ(disk.format, DiskFormat::kByName);
  EXPECT_EQ(disk.sync, DiskSync::kFull);
  disk = parse_disk("x:ro,format=qcow2,sync=none,direct,serial=a b,backing=/base.img").value();
  EXPECT_EQ(disk.path, "x");
  EXPECT_EQ(disk.access, Access::kReadOnly);
  EXPECT_EQ(disk.format, DiskFormat::kQcow2);
  EXPECT_EQ(disk.sync, DiskSync::kNone);
  EXPECT_EQ(disk.cache, DiskCache::kNone);
  EXPECT_EQ(disk.serial, "a b");
  EXPECT_EQ(disk.backing_path, "/base.img");
  for (const char* bad : {"", ":ro", ",ro", "x,", "x,formt=raw", "x,format=vdi", "x,sync", "x,fstype=ext4"})
    EXPECT_FALSE(parse_disk(bad)) << bad;
}

TEST(Values, VhostUserDevices) {
  VhostUserDevice device = parse_vhost_user("block=/a=b.sock,queues=2,size=64,size=128,name=a disk").value();
  EXPECT_EQ(device.type, 2u);
  EXPECT_EQ(device.socket_path, "/a=b.sock");
  EXPECT_EQ(device.queues, 2u);
  EXPECT_THAT(device.queue_sizes, ElementsAre(64, 128));
  EXPECT_EQ(device.name, "a disk");
  EXPECT_EQ(parse_vhost_user("42=x").value().type, 42u);
  EXPECT_EQ(parse_vhost_user("sound=x").value().type, 25u);
  for (const char* bad :
       {"", "block", "block=", "=x", "disk=x", "4x=x", "-1=x", "block=x,", "block=x,queues", "rng=,size=1",
        "block=x,queues=", "block=x,size=65536", "block=x,size=-1", "block=x,color=red"})
    EXPECT_FALSE(parse_vhost_user(bad)) << bad;
}

TEST(Values, AnUnknownTypeIsAnsweredWithThoseThereAre) {
  auto refused = parse_vhost_user("disk=x");
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().what, HasSubstr("'disk' is no type of device; there are net, block, console"));
  EXPECT_THAT(refused.error().what, HasSubstr("gpio, or virtio's number"));
}

TEST(Values, RootDisks) {
  Config config;
  config.disks.resize(1);
  ASSERT_TRUE(parse_root_disk("root.img,fstype=ext4,mount=noatime,mount=data=journal,sync=relaxed", config));
  EXPECT_EQ(config.root.source, RootSource::kDisk);
  EXPECT_EQ(config.root.writes, Writes::kKept);
  EXPECT_EQ(config.root.disk, 1u);
  EXPECT_EQ(config.root.file_system, "ext4");
  EXPECT_EQ(config.root.mount_options, "noatime,data=journal");
  EXPECT_EQ(config.disks.at(1).sync, DiskSync::kRelaxed);
  EXPECT_FALSE(parse_root_disk("second.img", config));
  Config other;
  ASSERT_TRUE(parse_root_disk("root.img:ro", other));
  EXPECT_EQ(other.root.writes, Writes::kPrivate);
}

TEST(Memory, Sizes) {
  EXPECT_EQ(parse_memory("512"), 512u);
  EXPECT_EQ(parse_memory("512M"), 512u);
  EXPECT_EQ(parse_memory("512m"), 512u);
  EXPECT_EQ(parse_memory("512MiB"), 512u);
  EXPECT_EQ(parse_memory("4G"), 4096u);
  EXPECT_EQ(parse_memory("4GiB"), 4096u);
  EXPECT_EQ(parse_memory("65536K"), 64u);
  EXPECT_EQ(parse_memory("1T"), 1u << 20);
  EXPECT_EQ(parse_memory("0"), 0u);  // The API says why not.
}

TEST(Memory, NotSizes) {
  for (const char* bad :
       {"", "G", "-1", "1.5G", "512X", "512 M", "0x10", "99999999999999999999", "4294967296", "M512", "1GG"}) {
    auto parsed = parse_memory(bad);
    ASSERT_FALSE(parsed) << bad;
    EXPECT_THAT(parsed.error().what, HasSubstr("is not a size"));
  }
}

TEST(Duration, Times) {
  EXPECT_EQ(parse_duration("5"), 5s);
  EXPECT_EQ(parse_duration("5s"), 5s);
  EXPECT_EQ(parse_duration("500ms"), 500ms);
  EXPECT_EQ(parse_duration("2m"), 2min);
  EXPECT_EQ(parse_duration("1h"), 1h);
}

TEST(Duration, NotTimes) {
  for (const char* bad : {"", "s", "-5", "1.5s", "5x", "5 s", "99999999999h"}) EXPECT_FALSE(parse_duration(bad)) << bad;
  EXPECT_THAT(parse_duration("0ms").error().what, HasSubstr("no time"));
}

TEST(Count, Numbers) {
  EXPECT_EQ(parse_count("16"), 16u);
  for (const char* bad : {"", "-1", "x", "1x", "4294967296"}) EXPECT_FALSE(parse_count(bad)) << bad;
}

TEST(UserFlag, Numbers) {
  EXPECT_EQ(parse_user("1000")->uid, 1000u);
  EXPECT_FALSE(parse_user("1000")->gid);
  EXPECT_EQ(parse_user("1000:100")->gid, 100u);
  for (const char* bad : {"", ":", "1000:", ":5", "bob", "1:2:3", "-1"}) EXPECT_FALSE(parse_user(bad)) << bad;
}

TEST(KelpiePortFlag, Forms) {
  auto plain = parse_kelpie_port("/run/k.sock").value();
  EXPECT_EQ(plain.socket_path, "/run/k.sock");
  EXPECT_EQ(plain.socket, KelpieSocket::kListen);
  EXPECT_EQ(plain.server, KelpieServer::kAgent);
  EXPECT_EQ(parse_kelpie_port("k,connect")->socket, KelpieSocket::kConnect);
  EXPECT_EQ(parse_kelpie_port("k,listen")->socket, KelpieSocket::kListen);
  for (const char* both : {"k,command,connect", "k,connect,command"}) {
    auto port = parse_kelpie_port(both).value();
    EXPECT_EQ(port.socket_path, "k");
    EXPECT_EQ(port.socket, KelpieSocket::kConnect);
    EXPECT_EQ(port.server, KelpieServer::kCommand);
  }
  // Only what stands at the end can be meant.
  EXPECT_EQ(parse_kelpie_port("a,b,agent")->socket_path, "a,b");
  EXPECT_EQ(parse_kelpie_port("a,listen,b")->socket_path, "a,listen,b");
  EXPECT_EQ(parse_kelpie_port("a,listen,connect")->socket_path, "a,listen");
  EXPECT_FALSE(parse_kelpie_port(""));
  EXPECT_FALSE(parse_kelpie_port(",listen"));
}

TEST(ShareFlag, Forms) {
  auto plain = parse_share("/host:/guest").value();
  EXPECT_EQ(plain.host_path, "/host");
  EXPECT_EQ(plain.guest_path, "/guest");
  EXPECT_EQ(plain.access, Access::kReadWrite);
  EXPECT_EQ(parse_share("/host:/guest:ro")->access, Access::kReadOnly);
  EXPECT_EQ(parse_share("/host:/guest:rw")->access, Access::kReadWrite);
  EXPECT_EQ(parse_share(".:/work")->host_path, ".");
  auto colons = parse_share("/a:b:c:/guest:ro").value();
  EXPECT_EQ(colons.host_path, "/a:b:c");
  EXPECT_EQ(colons.guest_path, "/guest");
}

TEST(ShareFlag, Options) {
  auto share =
      parse_share("/a:b:/guest:ro,cache=none,devices,acl,locks=host,uidmap=0/1000,uidmap=1/100000/65535,gidmap=0/5")
          .value();
  EXPECT_EQ(share.host_path, "/a:b");
  EXPECT_EQ(share.guest_path, "/guest");
  EXPECT_EQ(share.access, Access::kReadOnly);
  EXPECT_EQ(share.cache, ShareCache::kNone);
  EXPECT_EQ(share.device_nodes, DeviceNodes::kAllowed);
  EXPECT_EQ(share.acls, ShareAcls::kEnforced);
  EXPECT_EQ(share.locks, ShareLocks::kHost);
  ASSERT_EQ(share.users.size(), 2u);
  EXPECT_EQ(share.users[0].host, 1000u);
  EXPECT_EQ(share.users[0].count, 1u);
  EXPECT_EQ(share.users[1].guest, 1u);
  EXPECT_EQ(share.users[1].count, 65535u);
  EXPECT_EQ(share.groups.at(0).host, 5u);
  EXPECT_EQ(parse_share("/host:/guest:cache=always")->cache, ShareCache::kAlways);
  auto limited = parse_share("/host:/guest:quota=20K,inodes=100").value();
  EXPECT_EQ(limited.quota_bytes, 20480u);
  EXPECT_EQ(limited.quota_inodes, 100u);
  EXPECT_FALSE(share.quota_bytes);
  EXPECT_EQ(parse_share("/host:/guest:timeout=2.5")->timeout, 2500ms);
  EXPECT_EQ(parse_share("/host:/guest:timeout=0")->timeout, 0ms);
  EXPECT_FALSE(share.timeout);
  EXPECT_EQ(parse_share("/host:/guest:quota=2G")->quota_bytes, 2ull << 30);
  EXPECT_EQ(parse_share("/host:/guest:quota=0")->quota_bytes, 0u);
}

TEST(ShareFlag, Dax) {
  EXPECT_FALSE(parse_share("/host:/guest:ro")->dax_window_mib);
  EXPECT_EQ(parse_share("/host:/guest:dax")->dax_window_mib, 256u);
  EXPECT_EQ(parse_share("/host:/guest:dax=64")->dax_window_mib, 64u);
  EXPECT_EQ(parse_share("/host:/guest:ro,dax=2G")->dax_window_mib, 2048u);
  for (const char* bad : {"dax=", "dax=x", "dax=-1", "dax=99999999999999G"})
    EXPECT_THAT(parse_share(std::string("/host:/guest:") + bad).error().what, HasSubstr("is not dax or dax=SIZE"))
        << bad;
}

TEST(ShareFlag, Injects) {
  auto share = parse_share("/host:/guest:inject=run/,inject=run/null=/dev/null,inject-once=it=/proc/self/comm").value();
  ASSERT_EQ(share.injected.size(), 3u);
  EXPECT_EQ(share.injected[0].path, "run");
  EXPECT_EQ(share.injected[0].kind, InjectedKind::kDirectory);
  EXPECT_EQ(share.injected[1].path, "run/null");
  EXPECT_EQ(share.injected[1].contents, "");
  EXPECT_EQ(share.injected[1].lookups, InjectedLookups::kAny);
  EXPECT_EQ(share.injected[2].contents, "cli_test\n");
  EXPECT_EQ(share.injected[2].mode, 0644u);
  EXPECT_EQ(share.injected[2].lookups, InjectedLookups::kOne);
  for (const char* bad : {"", "/", "a", "a=", "=a"})
    EXPECT_THAT(parse_share(std::string("/host:/guest:inject=") + bad).error().what, HasSubstr("is not PATH=FILE"))
        << bad;
  EXPECT_THAT(parse_share("/host:/guest:inject=a=/none").error().what, HasSubstr("/none"));
}

TEST(ShareFlag, Wrong) {
  EXPECT_THAT(parse_share("/host").error().what, HasSubstr("path in the guest is missing"));
  EXPECT_THAT(parse_share("/host:ro").error().what, HasSubstr("path in the guest is missing"));
  EXPECT_THAT(parse_share(":/guest").error().what, HasSubstr("path on the host is missing"));
  EXPECT_THAT(parse_share("/host:guest").error().what, HasSubstr("must begin with /"));
  EXPECT_THAT(parse_share("/host:/guest:rx").error().what, HasSubstr("'rx' is not an option"));
  EXPECT_THAT(parse_share("/host:/guest:ro,cache=some").error().what, HasSubstr("'cache=some' is not an option"));
  EXPECT_THAT(parse_share("/host:/guest:").error().what, HasSubstr("'' is not an option"));
  for (const char* bad : {"", "1", "1/", "1/2/", "1/2/3/4", "a/1", "-1/0", "1/4294967296", "1/2/x"})
    EXPECT_THAT(parse_share(std::string("/host:/guest:uidmap=") + bad).error().what, HasSubstr("is not uidmap="))
        << bad;
  for (const char* bad :
       {"timeout=", "timeout=-1", "timeout=nan", "timeout=inf", "timeout=1e3", "timeout=1s", "timeout=9999999"})
    EXPECT_THAT(parse_share(std::string("/host:/guest:") + bad).error().what, HasSubstr(bad)) << bad;
  for (const char* bad : {"quota=", "quota=x", "quota=-1", "quota=1X", "inodes=", "inodes=1K", "inodes=-1"})
    EXPECT_THAT(parse_share(std::string("/host:/guest:") + bad).error().what, HasSubstr(bad)) << bad;
  EXPECT_FALSE(parse_share(""));
}

TEST(LimitFlag, Forms) {
  auto both = parse_limit("nofile=1024:2048").value();
  EXPECT_EQ(both.resource, "nofile");
  EXPECT_EQ(both.soft, 1024u);
  EXPECT_EQ(both.hard, 2048u);
  EXPECT_EQ(parse_limit("nproc=5")->hard, 5u);
  EXPECT_EQ(parse_limit("core=0:unlimited")->hard, kUnlimited);
  EXPECT_EQ(parse_limit("core=-1")->soft, kUnlimited);
  for (const char* bad : {"", "nofile", "nofile=", "=5", "nofile=x", "nofile=1:", "nofile=1:2:3"})
    EXPECT_FALSE(parse_limit(bad)) << bad;
}

TEST(RootFlag, HostOrDirectory) {
  EXPECT_EQ(parse_root("host").source, RootSource::kHost);
  EXPECT_EQ(parse_root("./host").source, RootSource::kDirectory);
  EXPECT_EQ(parse_root("/srv/root").path, "/srv/root");
}

TEST(Variables, SetAndPassedOn) {
  std::vector<std::string> environment;
  ::setenv("CLOCHE_TEST_VARIABLE", "mine", 1);
  ::unsetenv("CLOCHE_TEST_NOTHING");
  EXPECT_TRUE(add_variable("A=1", environment));
  EXPECT_TRUE(add_variable("EMPTY=", environment));
  EXPECT_TRUE(add_variable("CLOCHE_TEST_VARIABLE", environment));
  EXPECT_TRUE(add_variable("CLOCHE_TEST_NOTHING", environment));
  EXPECT_THAT(environment, ElementsAre("A=1", "EMPTY=", "CLOCHE_TEST_VARIABLE=mine"));
  EXPECT_FALSE(add_variable("", environment));
  EXPECT_FALSE(add_variable("=x", environment));
}

TEST(Variables, FromAFile) {
  std::string path = ::testing::TempDir() + "cloche-env-file";
  std::ofstream(path) << "# comment\n\nA=1\r\nB=two words\n  \nC=x=y";
  std::vector<std::string> environment;
  auto added = add_variables_of_file(path, environment);
  ASSERT_TRUE(added) << added.error().message();
  EXPECT_THAT(environment, ElementsAre("A=1", "B=two words", "C=x=y"));
  std::ofstream(path) << "A=1\n=2\n";
  EXPECT_THAT(add_variables_of_file(path, environment).error().what, HasSubstr("line 2"));
  ::unlink(path.c_str());
  EXPECT_THAT(add_variables_of_file(path, environment).error().message(), HasSubstr(path));
  EXPECT_FALSE(add_variables_of_file("/", environment));
}

}  // namespace
}  // namespace cloche::cli
