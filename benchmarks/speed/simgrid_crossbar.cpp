// SimGrid's side of the benchmark: a crossbar on which each rank pulls its slices in order, the two
// oldest unfinished ones in flight, one at a time from a source.
//
// In, as numbers: GPUs, bytes per second of every link; then for each rank its start in seconds, its number of slices,
// and for each of these the source and the bytes. Out: seconds of the run's wall time, KiB that the process had at most,
// then each rank's completion.
#include <chrono>
#include <cstdio>
#include <deque>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include <simgrid/s4u.hpp>

namespace sg4 = simgrid::s4u;

struct Slice {
  int source;
  double bytes;
};

struct Rank {
  double start = 0.0;
  double end   = 0.0;
  std::vector<Slice> slices;
};

static const size_t places = 2;

// Moves the slices of one rank: the window holds the oldest unfinished ones, of which one a source moves.
static void pull(Rank* rank, sg4::Host* self, const std::vector<sg4::Host*>* hosts)
{
  sg4::this_actor::sleep_until(rank->start);
  std::vector<sg4::CommPtr> moving;
  std::vector<int> source_of;
  std::map<int, std::deque<double>> behind; // by source that is being read
  size_t next = 0, inside = 0;
  auto start = [&](int source, double bytes) {
    moving.push_back(sg4::Comm::sendto_async((*hosts)[source], self, bytes));
    source_of.push_back(source);
  };
  while (next < rank->slices.size() || inside > 0) {
    while (inside < places && next < rank->slices.size()) {
      const Slice& slice = rank->slices[next++];
      ++inside;
      if (behind.count(slice.source)) {
        behind[slice.source].push_back(slice.bytes);
      } else {
        behind[slice.source];
        start(slice.source, slice.bytes);
      }
    }
    ssize_t done = sg4::Comm::wait_any(moving);
    int source   = source_of[done];
    moving.erase(moving.begin() + done);
    source_of.erase(source_of.begin() + done);
    --inside;
    if (behind[source].empty()) {
      behind.erase(source);
    } else {
      start(source, behind[source].front());
      behind[source].pop_front();
    }
  }
  rank->end = sg4::Engine::get_clock();
}

// Of this program alone: getrusage would count what its parent had before it was started.
static long peak_kib()
{
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.rfind("VmHWM:", 0) == 0)
      return std::stol(line.substr(6));
  return 0;
}

int main(int argc, char** argv)
{
  sg4::Engine engine(&argc, argv);
  for (const char* setting : {"network/model:CM02", "network/crosstraffic:0", "network/TCP-gamma:0",
                              "surf/precision:1e-12", "maxmin/precision:1e-12"})
    sg4::Engine::set_config(setting);
  int gpus;
  double rate;
  if (scanf("%d %lf", &gpus, &rate) != 2)
    return 1;
  std::vector<Rank> ranks(gpus);
  for (Rank& rank : ranks) {
    int count;
    if (scanf("%lf %d", &rank.start, &count) != 2)
      return 1;
    rank.slices.resize(count);
    for (Slice& slice : rank.slices)
      if (scanf("%d %lf", &slice.source, &slice.bytes) != 2)
        return 1;
  }
  auto* zone = sg4::create_full_zone("crossbar");
  std::vector<sg4::Host*> hosts;
  std::vector<sg4::SplitDuplexLink*> links;
  for (int gpu = 0; gpu < gpus; ++gpu) {
    hosts.push_back(zone->create_host("gpu" + std::to_string(gpu), 1e9));
    links.push_back(zone->create_split_duplex_link("link" + std::to_string(gpu), rate));
    links.back()->seal();
  }
  for (int src = 0; src < gpus; ++src)
    for (int dst = 0; dst < gpus; ++dst)
      if (src != dst)
        zone->add_route(hosts[src]->get_netpoint(), hosts[dst]->get_netpoint(), nullptr, nullptr,
                        {{links[src], sg4::LinkInRoute::Direction::UP}, {links[dst], sg4::LinkInRoute::Direction::DOWN}},
                        false);
  zone->seal();
  for (int gpu = 0; gpu < gpus; ++gpu)
    sg4::Actor::create("rank" + std::to_string(gpu), hosts[gpu], pull, &ranks[gpu], hosts[gpu], &hosts);
  auto began = std::chrono::steady_clock::now();
  engine.run();
  printf("%.9f\n", std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count());
  printf("%ld\n", peak_kib());
  for (const Rank& rank : ranks)
    printf("%.17g\n", rank.end);
}
