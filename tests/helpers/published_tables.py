"""Tables that others have published, as facts: their numbers, a row a system, and where they stand.

A cell is printed as its source prints it: the digits say what rounding hides. An average that is
only said in the text beside a table stands in its row.
"""

from codixr_bench.paper.audit import Measure

_REXRANK = """system,BLEU-2,BERTScore,SembScore,RadGraph,RadCliQ-v1,n
MedVersa,.193,.430,.315,.273,1.088,2347
RaDialog,.112,.322,.381,.168,1.330,2347
RGRG,.125,.323,.337,.176,1.363,2347
CheXpertPlus-mimic,.128,.308,.365,.168,1.369,2347
CheXagent,.094,.304,.331,.146,1.437,2347
CvT2DistilGPT2,.109,.278,.315,.145,1.498,2347
VLCI,.124,.252,.293,.136,1.573,2347
RadFM,.081,.281,.245,.111,1.604,2347
GPT4V,.065,.204,.190,.085,1.819,2347
LLM-CXR,.036,.158,.150,.047,1.983,2347
"""
_XRV = "system,Atl.,Cmgl.,Cnsl.,Edm.,Enl.,Les.,Opc.,Eff.,Pnm.,Ptx.,Fracture\n"
_XRV += "densenet121-res224-all,.88,.88,.91,.92,.84,.82,.86,.92,.82,.81,.74\n"
_CGB = """system,RAD-DINO
Sana,54.2
PixArt-Sigma,60.2
RadEdit,69.7
LLM-CXR,71.2
SD3.5-M,91.3
Lumina2,101.2
SD1.5,118.9
Flux.1,122.4
SD1.4,125.2
SD2.1,186.5
SD2,194.7
"""
_NIH14 = "system,Atl.,Cmgl.,Eff.,Inf.,Mass,Nod.,Pna.,Ptx.,Cons.,Edm.,Emph.,Fib.,PT,Her.,macro\n"
_WANG = ".716,.807,.784,.609,.706,.671,.633,.806,.708,.835,.815,.769,.708,.767,"
_YAO = ".772,.904,.859,.695,.792,.717,.713,.841,.788,.882,.829,.767,.765,.914,"
_CHEXNET = (
    ".8094,.9248,.8638,.7345,.8676,.7802,.7680,.8887,.7901,.8878,.9371,.8047,.8062,.9164,0.841"
)
_RELEASED = ".8294,.9165,.8870,.7143,.8597,.7873,.7745,.8726,.8142,.8932,.9254,.8304,.7831,.9104"
_IMPROVED = ".8311,.9220,.8891,.7146,.8627,.7883,.7820,.8844,.8148,.8992,.9343,.8385,.7914,.9206"
_ARNOWENG = f"""{_NIH14}Wang et al.,{_WANG}
Yao et al.,{_YAO}
CheXNet,{_CHEXNET}
reproduced,{_RELEASED},
improved,{_IMPROVED},0.847
"""
_PADDLE = f"""{_NIH14}Wang et al.,{_WANG}
Yao et al.,{_YAO}
CheXNet,{_CHEXNET}
released,{_RELEASED},0.843
improved,{_IMPROVED},0.848
Paddle,.8292,.9143,.8876,.7118,.8647,.7921,.7684,.8771,.8161,.8987,.9302,.8374,.7962,.9311,0.847
"""
_MEMOMING = f"""{_NIH14}\
own,.825,.896,.883,.707,.855,.783,.764,.872,.812,.900,.932,.851,.783,.930,.842
CheXNet,.832,.910,.886,.714,.865,.803,.765,.885,.815,.901,.942,.852,.794,.941,.850
"""
_ZECH = f"""{_NIH14}CheXNet,{_CHEXNET}
2018,.8161,.9105,.8839,.7077,.8308,.7748,.7651,.8739,.8008,.8979,.9227,.8293,.7860,.9010,0.836
"""
_STOMPER10 = """system,Atl.,Cmgl.,Cons.,Edema,Eff.,macro
reproduced,0.74,0.87,0.76,0.84,0.90,0.790
Irvin et al.,0.85,0.90,0.90,0.92,0.97,0.907
"""

OTHERS: dict[str, tuple[str, Measure, set[tuple[str, str]]]] = {
    # ReXrank's leaderboard, MIMIC-CXR test split, findings and impression (rexrank.ai).
    "ReXrank, MIMIC-CXR test": (_REXRANK, Measure.OTHER, set()),
    # torchxrayvision, BENCHMARKS.md, MIMIC column of densenet121-res224-all.
    "torchxrayvision, BENCHMARKS.md": (_XRV, Measure.AUROC, set()),
    # CheXGenBench, README: FID in RAD-DINO features.
    "CheXGenBench, README": (_CGB, Measure.DISTANCE, set()),
    # github.com/arnoweng/CheXNet, README: the classes give .848 where the text says .847.
    "arnoweng/CheXNet, README": (_ARNOWENG, Measure.AUROC, {("improved", "macro")}),
    # github.com/jm12138/Paddle-CheXNet, README: prints .848 for the same cells.
    "jm12138/Paddle-CheXNet, README": (_PADDLE, Measure.AUROC, set()),
    # github.com/memoming/CheXNet, README of November 2019.
    "memoming/CheXNet, README": (_MEMOMING, Measure.AUROC, set()),
    # github.com/jrzech/reproduce-chexnet, README of 2018 (kept in dnssh/reproduce-chexnet).
    "reproduce-chexnet, README of 2018": (_ZECH, Measure.AUROC, set()),
    # github.com/Stomper10/CheXpert, README: its .790 isn't the mean of the five classes beside it.
    "Stomper10/CheXpert, README": (_STOMPER10, Measure.AUROC, {("reproduced", "macro")}),
}
"""Name -> the table, what its cells are, and the cells that contradict the others: row, column."""
