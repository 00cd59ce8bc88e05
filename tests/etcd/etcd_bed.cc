// SPDX-License-Identifier: Apache-2.0
#include "etcd_bed.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace weft {
namespace {

/// Without it, nothing that comes after means anything.
void must(bool so, const std::string& what) {
  if (!so) {
    std::fprintf(stderr, "etcd: %s\n", what.c_str());
    std::abort();
  }
}

int client_port(size_t member) {
  return 2379 + 100 * static_cast<int>(member);
}
int peer_port(size_t member) {
  return client_port(member) + 1;
}

int fragile_port(size_t member) {
  return client_port(member) + 2;
}

bool listens(int port) {
  const std::string command = "ss -Hltn 'sport = :" + std::to_string(port) + "' | grep -q LISTEN";
  return std::system(command.c_str()) == 0;
}

}  // namespace

EtcdBed::EtcdBed(size_t members, std::vector<std::string> arguments, std::string scheme)
    : arguments_(std::move(arguments)), scheme_(std::move(scheme)), pids_(members) {
  // In memory: etcd waits for the disk at every write.
  char folder[] = "/dev/shm/weft-etcd-XXXXXX";
  must(mkdtemp(folder) != nullptr, "can't make a folder in /dev/shm");
  folder_ = folder;
  must(std::system("ip link set lo up") == 0, "no loopback");
  for (size_t i = 0; i < members; ++i) {
    start(i);
  }
  for (size_t i = 0; i < members; ++i) {
    must(comes_true([&] { return listens(client_port(i)); }), "does not listen: see " + folder_.native());
  }
}

EtcdBed::~EtcdBed() {
  for (size_t i = 0; i < pids_.size(); ++i) {
    kill(i);
  }
  std::filesystem::remove_all(folder_);
}

std::string EtcdBed::url(size_t member) const {
  return scheme_ + "://127.0.0.1:" + std::to_string(client_port(member));
}

std::vector<std::string> EtcdBed::urls() const {
  std::vector<std::string> all;
  for (size_t i = 0; i < pids_.size(); ++i) {
    all.push_back(url(i));
  }
  return all;
}

std::vector<std::string> EtcdBed::fragile_urls() const {
  std::vector<std::string> all;
  for (size_t i = 0; i < pids_.size(); ++i) {
    all.push_back(scheme_ + "://127.0.0.1:" + std::to_string(fragile_port(i)));
  }
  return all;
}

void EtcdBed::cut_off(bool cut) {
  std::string rules = "nft flush ruleset";
  if (cut) {
    rules += "; nft add table inet cut; nft 'add chain inet cut in { type filter hook input priority 0; }'";
    for (size_t i = 0; i < pids_.size(); ++i) {
      rules += "; nft add rule inet cut in tcp dport " + std::to_string(fragile_port(i)) + " reject with tcp reset";
    }
  }
  must(std::system(rules.c_str()) == 0, rules);
}

size_t EtcdBed::index_of(const std::string& wanted) const {
  for (size_t i = 0; i < pids_.size(); ++i) {
    if (url(i) == wanted) {
      return i;
    }
  }
  must(false, "no member " + wanted);
  return 0;
}

void EtcdBed::start(size_t member) {
  const std::string name = "m" + std::to_string(member);
  std::string cluster;
  for (size_t i = 0; i < pids_.size(); ++i) {
    cluster += (i == 0 ? "m" : ",m") + std::to_string(i) + "=http://127.0.0.1:" + std::to_string(peer_port(i));
  }
  const std::string peer = "http://127.0.0.1:" + std::to_string(peer_port(member));
  std::vector<std::string> words = {"etcd",
                                    "--name=" + name,
                                    "--data-dir=" + (folder_ / name).native(),
                                    "--listen-client-urls=" + url(member) + "," + fragile_urls()[member],
                                    "--advertise-client-urls=" + url(member),
                                    "--listen-peer-urls=" + peer,
                                    "--initial-advertise-peer-urls=" + peer,
                                    "--initial-cluster=" + cluster,
                                    "--heartbeat-interval=50",
                                    "--election-timeout=500",
                                    "--logger=zap"};
  words.insert(words.end(), arguments_.begin(), arguments_.end());
  const pid_t parent = getpid();
  const pid_t pid = fork();
  must(pid >= 0, "can't fork");
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int log = open((folder_ / (name + ".log")).c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
    dup2(log, 1);
    dup2(log, 2);
    std::vector<char*> argv;
    for (std::string& word : words) {
      argv.push_back(word.data());
    }
    argv.push_back(nullptr);
    if (getppid() == parent) {
      execvp("etcd", argv.data());
    }
    _exit(127);
  }
  pids_[member] = pid;
}

void EtcdBed::kill(size_t member) {
  if (pids_[member] > 0) {
    ::kill(pids_[member], SIGKILL);
    waitpid(pids_[member], nullptr, 0);
    pids_[member] = 0;
  }
}

void EtcdBed::pause(size_t member) {
  ::kill(pids_[member], SIGSTOP);
  waitpid(pids_[member], nullptr, WUNTRACED);  // else a thread of it may still give an answer
}

void EtcdBed::resume(size_t member) {
  ::kill(pids_[member], SIGCONT);
}

int EtcdBed::ctl(const std::string& arguments) const {
  const std::string command = "ETCDCTL_API=3 etcdctl --endpoints=" + url(0) + " " + arguments + " > /dev/null";
  return std::system(command.c_str());
}

}  // namespace weft
