//! Words that bear on whether something is a name or an address, in lower case without accents,
//! with `|` between; in English, German, French, Spanish, Italian, Portuguese and Dutch.

use super::class::Class;

/// Words, and what they are.
pub const WORDS: &[(&str, Class)] = &[
    // What stands before a surname. `M.` and `S.` are initials as well.
    (
        "mr|mrs|ms|mister|missus|miss|mx|dr|doctor|prof|professor|sir|madam|dame|lord|lady|rev|reverend|capt|captain|sgt|sergeant|lt|lieutenant|col|colonel|sen|senator|rep|gov|governor|hon|judge|officer|nurse|coach|pastor|father|sister|brother|uncle|aunt|\
herr|herrn|frau|fraulein|fraeulein|hr|familie|dipl|ing|\
monsieur|madame|mademoiselle|messieurs|mesdames|mme|mmes|mlle|mlles|docteur|professeur|maitre|\
senor|senora|senorita|sr|sra|srta|sres|don|dona|doctora|dra|profesor|profesora|licenciado|lic|\
signor|signore|signora|signorina|sig|dott|dottor|dottore|dottoressa|avv|avvocato|ingegnere|geom|egr|gent|spett|\
senhor|senhora|menina|srs|sras|doutor|doutora|engenheiro|eng|\
dhr|heer|mevr|mevrouw|mw|meneer|drs|mej|juffrouw",
        Class::TITLE,
    ),
    // Surnames that are other words as well.
    (
        "brown|ball|banks|barber|barker|baker|bell|berry|bird|bishop|black|bush|butler|cannon|carpenter|chambers|chandler|cole|cook|cooper|cross|day|dean|drake|duke|field|fields|fisher|fisk|ford|foster|fowler|fox|freeman|french|gardner|gay|gold|good|goodman|grant|graves|gray|green|gross|hale|hall|hart|hardy|hill|hines|holland|hood|hope|hunt|hunter|hart|ingram|jordan|justice|keys|king|knight|lamb|lane|law|little|long|love|lowe|mack|major|mann|marsh|marshall|mason|may|miles|mills|moody|moon|moss|nash|noble|page|paris|park|parker|parsons|pike|pitts|poole|pope|porter|potter|powers|price|prince|ray|reed|rice|rich|rivers|rose|rush|sharp|shepherd|short|silva|simon|singer|singleton|small|sparks|spencer|steele|stark|stern|stokes|stone|strong|summers|swan|sweet|temple|tucker|turner|vance|walker|wall|walls|ward|warner|waters|weaver|webb|weeks|wells|west|wheeler|white|wise|wolf|wood|woods|worth|wright|york|young|chan|li|lee|kim|kerr|chen|wang|wu|xu|tran|major|booth|boone|byrd|cash|church|frost|glass|hooper|horn|joy|key|low|main|mark|mercer|nice|north|notice|note|post|power|pound|query|root|sage|salt|sands|savage|save|self|stack|star|stock|storm|street|swift|tab|tag|unit|way|wild|winter|winters|dalton|page|archer|art|bond|booker|branch|bridges|brooks|case|cloud|coffee|crow|dollar|english|fields|golden|grave|guy|house|lemon|lock|lord|max|monday|morning|norman|oracle|piper|pool|ranger|rocky|sexton|skinner|steel|stocks|tower|trace|train|true|vice|wade|watts|welch|will|\
adam|appel|bach|back|bader|bar|bauer|beck|becker|berg|block|blum|bock|bode|brand|braun|busch|christ|dorn|eder|engel|fink|fischer|fleischer|forster|frank|franke|freitag|frey|fritz|fromm|fuchs|funk|gabriel|graf|gross|grimm|haag|haas|hahn|hagen|hein|heil|held|herbst|hermann|hirsch|hofer|holz|horn|jahn|jager|jaeger|jung|junge|kaiser|karl|kern|kessler|kirchner|klein|klose|koch|kohl|konig|koenig|kopp|kraft|kramer|kraus|krause|krauss|kurz|lang|lange|langer|lehmann|linden|lorenz|ludwig|lutz|maas|mai|marx|maurer|meister|merkel|mol|muller|nagel|nickel|oswald|ott|otto|paul|pfeffer|pfeifer|philipp|pohl|prinz|probst|rau|rauch|reich|reuter|richter|ritter|roth|sander|sauer|schenk|schlosser|schneider|schramm|schreiber|schreiner|schuster|schwab|schwarz|schweizer|siegel|sommer|sonntag|springer|stahl|stark|stein|steffen|stephan|strauss|stumpf|thomas|urban|vetter|vogel|vogt|volk|voss|wagner|walter|weber|weis|weiss|werner|wiese|wild|wilhelm|will|winkler|winter|wirth|witt|witte|wolf|wulf|zander|ziegler|zimmer|zimmermann|beek|boer|bos|bosch|brouwer|bruin|dekker|dijk|groen|groot|haan|heuvel|huisman|jong|kok|koning|koster|kuiper|meijer|mulder|postma|prins|schipper|visser|vliet|vos|wal|wijk|zwart|\
andre|aubert|baron|barre|benard|berger|bernard|bigot|blanc|blanchet|blondel|bonnet|boucher|boulanger|bourgeois|boyer|brun|buisson|camus|caron|carpentier|carre|charles|charpentier|chevalier|clement|clerc|colas|colin|cordier|coste|cousin|daniel|david|denis|dumas|etienne|faivre|fauve|faure|fleury|fontaine|fournier|francois|gaillard|garnier|gauthier|georges|gerard|germain|gilles|gilbert|girard|gros|guillaume|guerin|hardy|henry|herve|hubert|humbert|jacob|jacques|jean|joly|julien|labbe|lacroix|lambert|laurent|legrand|leger|lebon|louis|lucas|mace|maillard|maillet|mallet|marchal|marchand|marechal|marie|martel|martin|masse|masson|mathieu|maurice|mercier|merle|meunier|michel|millet|monnier|moreau|morin|moulin|nicolas|noel|normand|olivier|pages|parent|paris|pascal|paul|petit|philippe|picard|pierre|pons|poulain|prevost|renard|renaud|rey|richard|riviere|robert|robin|roche|roger|rousseau|roux|royer|sauvage|simon|thierry|thomas|toussaint|vaillant|valentin|vallee|vasseur|vidal|vincent|voisin|\
abad|alba|amador|arena|arenas|arroyo|bravo|blanco|bueno|burgos|caballero|calvo|campos|cano|cardoso|carmona|carrera|casado|castillo|castro|conde|conte|conti|contreras|cordero|cordoba|cortes|costa|crespo|cruz|cuesta|delgado|dias|escudero|fiore|flores|fontana|franco|fuentes|gallego|gallo|gallardo|garrido|gentile|gracia|grassi|grasso|greco|guerra|guerrero|herrero|herrera|hidalgo|iglesias|izquierdo|jara|lara|leal|leite|leon|leone|lima|lobo|longo|lopes|lozano|luna|madrid|maia|marin|marino|mata|medina|melo|merino|milani|mora|moreno|moro|montero|montes|monti|moya|negri|neri|neto|neves|nieto|ochoa|orlando|pace|pacheco|palacios|palma|palermo|pardo|paredes|parra|pascual|pastor|pastore|paz|pena|piazza|pina|pinto|plaza|ponce|portela|prado|prieto|ramos|redondo|rego|reis|reyes|ribas|rico|rios|riva|rivas|rivera|robles|rocha|rojas|roman|romano|romero|rosa|rosado|rosario|rossi|rota|rubio|ruiz|russo|sala|salas|salerno|salgado|salinas|santiago|santos|segura|serra|serrano|sevilla|silva|sol|soler|sola|sosa|soto|testa|toledo|torres|torrent|urbano|valencia|valle|vaquero|vega|ventura|vera|verde|verdi|villa|villar|viola|vitale|zamora|zapata",
        Class::WORD,
    ),
    // Between the parts of a name.
    (
        "van|von|der|den|de|del|della|dello|dei|degli|di|da|dal|dos|das|do|du|des|la|le|les|los|las|ten|ter|te|zu|zum|zur|vom|y|e|bin|ibn|al|el|af|av|op|het",
        Class::PARTICLE,
    ),
    // Never part of a name.
    (
        "a|an|the|and|or|but|if|then|else|so|nor|yet|this|that|these|those|there|here|it|its|is|are|was|were|be|been|being|am|i|you|he|she|we|they|my|your|his|her|our|their|me|him|us|them|who|what|when|where|why|how|which|whose|not|no|yes|ok|okay|do|does|did|done|has|have|had|can|could|would|should|shall|must|please|thanks|thank|\
in|on|at|by|for|from|to|into|onto|with|without|about|after|before|between|during|since|until|while|as|of|off|over|under|up|down|out|also|all|any|some|each|every|both|only|just|now|today|tomorrow|yesterday|tonight|next|last|first|second|third|new|old|more|most|less|least|many|much|one|two|three|four|five|six|seven|eight|nine|ten|\
monday|tuesday|wednesday|thursday|friday|saturday|sunday|mon|tue|wed|thu|fri|sat|sun|january|february|march|october|november|december|september|jan|feb|mar|apr|jun|jul|aug|sep|sept|oct|nov|dec|\
customer|customers|madam|sirs|team|everyone|everybody|hiring|colleagues|colleague|friend|friends|folks|world|there|valued|member|members|user|users|guest|guests|reader|readers|parents|students|subscriber|applicant|admin|administrator|support|service|sales|info|null|none|true|false|undefined|unknown|anonymous|string|number|integer|boolean|object|array|text|value|name|names|example|test|default|other|others|various|n|na|tbd|todo|note|notes|see|use|used|using|let|set|get|add|run|error|warning|info|debug|click|open|close|read|write|view|show|hide|edit|delete|remove|update|create|select|insert|from|where|join|type|types|class|function|method|module|package|version|release|build|page|section|chapter|figure|table|part|step|item|list|file|files|data|code|id|key|date|time|email|phone|fax|mobile|tel|telephone|address|city|state|country|zip|subject|dear|hello|hi|hey|regards|sincerely|best|kind|warm|yours|cheers|ceo|cto|cfo|coo|vp|svp|director|president|chairman|minister|king|queen|prince|chief|head|\
der|die|das|den|dem|des|ein|eine|einer|eines|einem|einen|und|oder|aber|wenn|dann|ich|du|er|sie|es|wir|ihr|ihre|ihren|ihrem|mein|meine|dein|sein|seine|unser|unsere|euer|wer|was|wann|wo|warum|wie|nicht|kein|keine|ja|nein|bitte|danke|im|am|um|bei|mit|nach|von|vom|zu|zum|zur|aus|auf|an|fur|fuer|gegen|ohne|uber|ueber|unter|vor|hinter|neben|zwischen|seit|bis|als|auch|alle|alles|jede|jeder|heute|morgen|gestern|montag|dienstag|mittwoch|donnerstag|freitag|samstag|sonntag|januar|februar|marz|maerz|juni|juli|oktober|dezember|kunde|kunden|kundin|damen|herren|team|freunde|kollegen|welt|sehr|geehrte|geehrter|liebe|lieber|grusse|gruesse|gruss|rechnung|termin|vertrag|betreff|datum|ort|seite|nummer|telefon|adresse|anschrift|strasse|firma|herzliche|herzlichen|freundliche|freundlichen|viele|beste|besten|hallo|guten|tag|abend|dies|diese|dieser|dieses|\
le|les|un|une|et|ou|mais|si|alors|je|tu|il|elle|nous|vous|ils|elles|mon|ma|mes|ton|ta|tes|son|sa|ses|notre|votre|leur|ce|cet|cette|ces|qui|que|quoi|quand|comment|pourquoi|pas|non|oui|merci|dans|sur|sous|avec|sans|pour|par|chez|vers|depuis|avant|apres|pendant|tout|tous|toute|toutes|aujourd|demain|hier|lundi|mardi|mercredi|jeudi|vendredi|samedi|dimanche|janvier|fevrier|mars|avril|mai|juin|juillet|aout|septembre|octobre|novembre|decembre|client|cliente|clients|equipe|monde|bonjour|cher|chere|cordialement|salutations|objet|\
un|una|unos|unas|lo|pero|entonces|yo|tu|ella|nosotros|ellos|ellas|usted|ustedes|mi|mis|su|sus|nuestro|nuestra|este|esta|estos|estas|ese|esa|eso|quien|cuando|donde|como|porque|si|gracias|en|sobre|con|sin|para|por|hasta|desde|antes|despues|todo|todos|toda|todas|hoy|manana|ayer|lunes|martes|miercoles|jueves|viernes|sabado|domingo|enero|febrero|marzo|abril|mayo|junio|julio|agosto|septiembre|octubre|noviembre|diciembre|clientes|equipo|mundo|hola|querido|querida|estimado|estimada|estimados|saludos|atentamente|asunto|fecha|\
il|lo|gli|uno|ma|se|allora|io|lui|lei|noi|voi|loro|mio|mia|tuo|suo|sua|nostro|questo|questa|questi|queste|quello|quella|chi|che|quando|dove|perche|non|si|grazie|nel|nella|su|con|senza|per|fino|dopo|prima|tutto|tutti|oggi|domani|ieri|lunedi|martedi|mercoledi|giovedi|venerdi|sabato|domenica|gennaio|febbraio|aprile|maggio|giugno|luglio|settembre|ottobre|dicembre|squadra|mondo|ciao|caro|cara|gentile|gentili|egregio|spettabile|cordiali|saluti|distinti|oggetto|\
um|uma|mas|eu|ele|ela|nos|eles|elas|voce|voces|meu|minha|seu|sua|nosso|nossa|isto|isso|quem|quando|onde|porque|nao|sim|obrigado|obrigada|em|no|na|nos|nas|com|sem|ate|depois|tudo|hoje|amanha|ontem|segunda|terca|quarta|quinta|sexta|janeiro|fevereiro|marco|maio|junho|julho|setembro|outubro|novembro|dezembro|equipa|equipe|ola|caro|cara|prezado|prezada|prezados|exmo|exma|cumprimentos|atenciosamente|assunto|\
het|een|en|maar|als|dan|ik|jij|hij|zij|wij|jullie|mijn|jouw|zijn|haar|ons|onze|hun|deze|dit|die|dat|wie|wat|wanneer|waar|waarom|hoe|niet|geen|ja|nee|dank|bedankt|aan|bij|door|met|naar|om|over|uit|voor|tot|sinds|alle|alles|vandaag|morgen|gisteren|maandag|dinsdag|woensdag|donderdag|vrijdag|zaterdag|zondag|januari|februari|maart|juni|juli|augustus|klant|klanten|wereld|beste|geachte|hallo|hoi|groet|groeten|vriendelijke|onderwerp",
        Class::STOP,
    ),
    // Names of institutions, companies, places, works and products have these; names of people
    // have not.
    (
        "inc|ltd|llc|llp|plc|corp|corporation|company|co|gmbh|ag|kg|ohg|ug|se|ev|sarl|sas|sa|spa|srl|snc|lda|ltda|bv|nv|vof|group|gruppe|groupe|grupo|gruppo|groep|holding|holdings|partners|associates|sons|bros|brothers|ventures|capital|bank|banco|banca|banque|insurance|versicherung|assurance|seguros|assicurazioni|\
university|universitat|universitaet|universite|universidad|universita|universidade|universiteit|college|school|schule|ecole|escuela|scuola|escola|academy|akademie|institute|institut|instituto|istituto|instituut|hospital|klinik|clinic|krankenhaus|hopital|ospedale|ziekenhuis|church|kirche|eglise|cathedral|chapel|temple|museum|musee|museo|gallery|library|bibliothek|theatre|theater|teatro|foundation|stiftung|fondation|fundacion|fondazione|fundacao|stichting|association|society|club|union|committee|council|commission|department|ministry|agency|office|court|police|army|navy|force|league|party|news|times|post|journal|magazine|press|records|studios|pictures|entertainment|media|radio|television|show|award|awards|prize|medal|cup|trophy|championship|open|festival|tour|airport|flughafen|aeroport|aeropuerto|aeroporto|station|bahnhof|gare|estacion|stazione|estacao|harbor|harbour|port|bay|beach|island|islands|isle|river|lake|mountain|mount|mountains|hill|hills|valley|falls|springs|desert|forest|park|parc|parque|parco|garden|gardens|zoo|bridge|tower|castle|palace|palais|palacio|palazzo|schloss|stadium|arena|center|centre|centro|zentrum|mall|plaza|hotel|inn|resort|restaurant|cafe|bar|pub|market|store|stores|shop|hall|house|building|county|district|province|state|states|kingdom|republic|city|town|village|township|region|north|south|east|west|northern|southern|eastern|western|central|upper|lower|fort|new|\
street|avenue|boulevard|highway|parkway|expressway|drive|square|effect|theorem|theory|conjecture|equation|law|test|distribution|algorithm|transform|function|method|model|models|language|programming|framework|library|project|software|server|client|cloud|platform|engine|driver|protocol|license|licence|edition|system|systems|technologies|technology|solutions|services|consulting|labs|lab|laboratory|laboratories|research|security|networks|network|computing|digital|interactive|games|motors|airlines|airways|railway|energy|oil|foods|beer|wine|whiskey|tea|coffee|shoes|jeans|fashion|cosmetics|paris|vuitton|armani|versace|gucci|prada|chanel|hilfiger|lauder|benz|rolls|royce|cola|cake|salad|soup|sauce|pizza|cheese|disease|syndrome|day|days|eve|week|month|year|century|war|battle|treaty|act|bill|amendment|empire|dynasty|god|bible|gospel|epistle|potter|bond|wars|trek|pro|max|mini|plus|ultra|air|api|sdk|cli|gpt|llm|ai|bot|assistant|chat|ci|cd|attack|variant|multiplication|opus|sonnet|haiku|flash|turbo|instruct|\
san|santa|santo|sankt|saint|sainte|sao|puerto|porto|rio|monte|villa|casa|chateau|bad|stadt|kreis|dorf|burg|haus|hof|kloster|notre|sint",
        Class::ORG,
    ),
    // Kinds of streets, before their names and behind them.
    (
        "rue|avenue|av|ave|boulevard|bd|bld|blvd|place|pl|chemin|ch|impasse|imp|allee|allees|quai|route|rte|cours|square|passage|ruelle|sentier|esplanade|promenade|faubourg|fbg|villa|cite|residence|lotissement|hameau|venelle|rond|\
calle|acceso|acera|autopista|autovia|barrio|canada|carrera|jardines|pasadizo|sendero|vial|stretto|avda|avenida|plaza|plazuela|paseo|pso|camino|carretera|ctra|ronda|travesia|glorieta|rambla|pasaje|alameda|urbanizacion|urb|callejon|cuesta|bulevar|via|carrer|passeig|placa|avinguda|rua|\
viale|piazza|piazzale|piazzetta|corso|largo|vicolo|strada|stradone|contrada|lungomare|lungotevere|salita|borgo|canale|rotonda|vle|pza|incrocio|\
travessa|trav|praca|estrada|beco|calcada|praceta|rotunda|rodovia|alameda|azinhaga|quinta",
        Class::FRONT,
    ),
    (
        "street|st|str|avenue|ave|av|road|rd|lane|ln|drive|dr|boulevard|blvd|court|ct|place|pl|terrace|ter|terr|way|highway|hwy|parkway|pkwy|circle|cir|square|sq|crescent|cres|close|mews|alley|aly|turnpike|tpke|row|grove|grv|freeway|fwy|expressway|expy|causeway|cswy|gardens|gdns|heights|hts|throughway|trafficway|plaza|plz",
        Class::BACK,
    ),
    // The rest of USPS Publication 28, appendix C1: only with a unit, a town or a label.
    (
        "annex|arcade|bayou|beach|bend|bluff|bluffs|bottom|branch|bridge|brook|brooks|burg|burgs|bypass|camp|canyon|cape|center|centers|circles|cliff|cliffs|club|common|commons|corner|corners|course|courts|cove|coves|creek|crest|crossing|crossroad|crossroads|curve|dale|dam|divide|drives|estate|estates|extension|extensions|fall|falls|ferry|field|fields|flat|flats|ford|fords|forest|forge|forges|fork|forks|fort|garden|gateway|glen|glens|green|greens|groves|harbor|harbors|haven|hill|hills|hollow|inlet|island|islands|isle|junction|junctions|key|keys|knoll|knolls|lake|lakes|land|landing|light|lights|loaf|lock|locks|lodge|loop|mall|manor|manors|meadow|meadows|mill|mills|mission|motorway|mount|mountain|mountains|neck|orchard|oval|overpass|park|parks|parkways|pass|passage|path|pike|pine|pines|plain|plains|point|points|port|ports|prairie|radial|ramp|ranch|rapid|rapids|rest|ridge|ridges|river|roads|route|rue|run|shoal|shoals|shore|shores|skyway|spring|springs|spur|spurs|squares|station|stravenue|stream|streets|summit|trace|track|trail|trailer|tunnel|underpass|union|unions|valley|valleys|viaduct|view|views|village|villages|ville|vista|walk|walks|wall|ways|well|wells|rise|vale|chase|hall|house|copse|quay|wharf|parade|pde|esplanade|promenade|side|end|yard",
        Class::FAR,
    ),
    (
        "strasse|strase|str|weg|platz|allee|gasse|ufer|damm|ring|markt|chaussee|graben|stieg|pfad|promenade|straat|laan|plein|gracht|kade|singel|dijk|dreef|steeg|plantsoen|hof|baan",
        Class::LATE,
    ),
    // Of these, what is another word as well.
    (
        "barrio|canada|carrera|jardines|sendero|vial|place|route|villa|square|passage|residence|promenade|plaza|esplanade|cite|av|ch|imp|pl|cours|ave|rond|canale|quinta|local|salita|incrocio|borgo|via|corso|largo|strada|camino|cuesta|ronda|chemin|contrada",
        Class::WORD,
    ),
    // Within a building.
    (
        "apt|apartment|suite|ste|unit|flat|floor|fl|room|rm|building|bldg|studio|lot|trlr|penthouse|ph|wohnung|whg|etage|og|eg|app|appt|appartement|appartamento|bat|batiment|esc|escalier|piso|planta|puerta|pta|escalera|bloque|portal|local|interno|int|scala|piano|andar|apto|apartamento|bloco|bl|lote|loja|dto|esq|dcha|izq|bus|appartment|huis",
        Class::UNIT,
    ),
    // Whom one writes to.
    (
        "dear|liebe|lieber|liebes|werte|werter|geehrte|geehrter|cher|chere|chers|querido|querida|estimado|estimada|caro|cara|carissimo|carissima|gentile|egregio|egregia|prezado|prezada|beste|geachte",
        Class::DEAR,
    ),
    (
        "hi|hello|hey|hiya|hallo|hallochen|moin|servus|gruezi|bonjour|bonsoir|salut|coucou|hola|ciao|salve|buongiorno|buonasera|ola|oi|hoi|goedemorgen|goedemiddag|morning|afternoon|evening|thanks|thank|merci|gracias|grazie|obrigado|obrigada|bedankt|danke|welcome|sorry",
        Class::HELLO,
    ),
    // How letters end.
    (
        "regards|sincerely|faithfully|truly|yours|cheers|thanks|wishes|love|respectfully|cordially|grusse|gruesse|gruse|gruss|grus|gruessen|grussen|grusen|hochachtungsvoll|dein|deine|ihr|ihre|cordialement|salutations|bien|sentiments|amicalement|bises|bisous|saludos|atentamente|saludo|abrazo|cordialmente|saluti|saluto|cordialita|atenciosamente|cumprimentos|abraco|abracos|atentamente|groet|groeten|groetjes|hoogachtend|signed|signature",
        Class::CLOSE,
    ),
    // What people are to each other, to whom writes of them, and in forms.
    (
        "patient|patientin|patienten|paciente|pacientes|paziente|patiente|customer|client|cliente|klant|kunde|kunden|kundin|employee|mitarbeiter|mitarbeiterin|employe|employee|empleado|empleada|dipendente|funcionario|funcionaria|medewerker|colleague|kollege|kollegin|collegue|colega|collega|husband|wife|ehemann|ehefrau|mari|epoux|epouse|marido|esposa|esposo|marito|moglie|mulher|echtgenoot|echtgenote|son|daughter|sohn|tochter|fils|fille|hijo|hija|figlio|figlia|filho|filha|zoon|dochter|mother|mutter|vater|mere|pere|madre|padre|mae|pai|moeder|vader|boss|chef|manager|supervisor|assistant|secretary|lawyer|attorney|anwalt|anwaltin|avocat|avocate|abogado|abogada|advogado|advogada|advocaat|landlord|tenant|vermieter|mieter|locataire|proprietaire|inquilino|huurder|verhuurder|neighbor|neighbour|nachbar|nachbarin|voisin|voisine|vecino|vecina|vicino|vizinho|buurman|buurvrouw|student|studentin|schuler|schulerin|teacher|lehrer|lehrerin|applicant|bewerber|bewerberin|candidat|candidate|candidata|candidato|sollicitant|contact|kontakt|ansprechpartner|ansprechpartnerin|contacto|contatto|contato|contactpersoon|beneficiary|recipient|empfanger|empfangerin|absender|destinataire|destinatario|destinataria|ontvanger|afzender|expediteur|remitente|mittente|remetente|sender|passenger|passagier|passager|pasajero|passeggero|passageiro|driver|fahrer|conducteur|witness|zeuge|zeugin|temoin|testigo|testimone|testemunha|getuige|defendant|plaintiff|insured|versicherter|versicherte|assure|asegurado|assicurato|segurado|verzekerde|cardholder|holder|inhaber|inhaberin|titulaire|titular|titolare|kontoinhaber|karteninhaber|owner|tenant|guardian|resident|bewohner|bewohnerin|nominee|attn|attention|spouse|signatory|unterzeichner|invitee|traveler|traveller|guest",
        Class::ROLE,
    ),
];
